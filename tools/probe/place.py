"""The environment of a probe: its account, its deployment, and the resources that a run creates and removes."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import uvloop

from tools.console import Terminal
from tools.probe import own_api, own_queues, own_tenant
from tools.probe.interview import Interview
from tools.probe.question import Need, Question
from tools.probe.report import ProbeReport
from tools.probe.site import Site
from tools.release.cloud import LOCAL, Cloud
from tools.release.environment import Environment
from tools.release.promotion import Promotion
from tools.stack.deployment import Deployment
from tools.stack.lifecycle import Stack


@dataclass(frozen=True)
class ProbePlace:
    """An environment, and the way to its account and its deployment."""

    environment: Environment
    cloud: Cloud
    outputs: Callable[[], dict[str, Any]]

    @classmethod
    def of(cls, stack: Stack, environment: Environment) -> "ProbePlace":
        """Return the running local stack, or the hub of another environment with the credentials that are there."""
        if environment.name == LOCAL:
            return cls(environment, Cloud.local(stack), lambda: Deployment.of(stack.state()).outputs)
        cloud = Cloud.signed_in(environment.region)
        home = stack.directory.path.parent / "release"
        return cls(environment, cloud, Promotion(stack.project, environment, cloud, stack.terminal, home).outputs)

    @contextmanager
    def site(self, questions: Sequence[Question], site: Site) -> Iterator[Site]:
        """Create the resources that the questions need, for the block."""
        needs = {question.needs for question in questions}
        with ExitStack() as exits:
            if needs & {Need.API, Need.QUOTA}:
                site = self._with_api(site, exits.enter_context(own_api.own_api(self.cloud.client("apigatewayv2"))))
            if Need.QUEUES in needs:
                queues = exits.enter_context(own_queues.own_queues(self.cloud.client("sqs")))
                site = replace(site, own_queues=queues)
            if Need.TENANT in needs:
                tenant = exits.enter_context(own_tenant.own_tenant(self.deployment(), self.cloud.sign))
                outputs = tenant.deployment.outputs
                site = replace(
                    site,
                    own_tenant=tenant,
                    http_url=str(outputs["http_url"]).rstrip("/"),
                    callback_url=str(outputs["callback_endpoint"]),
                )
            yield site

    def _with_api(self, site: Site, api: str) -> Site:
        now = datetime.now(UTC)
        metric = own_api.metric_of(self.cloud.client("cloudwatch"), api, now, lambda: datetime.now(UTC))
        if self.cloud.endpoint is None:
            url = self.cloud.client("apigatewayv2").get_api(ApiId=api)["ApiEndpoint"]
        else:  # the stand-in serves all APIs under one host
            url = f"{self.outputs()['websocket_url'].rsplit('/', 2)[0]}/{api}"
        return replace(site, api_url=url, metric=metric)

    def deployment(self) -> Deployment:
        """Return the deployment, with the clients of the account."""
        return Deployment(self.cloud, self.outputs(), self.environment.account_id)

    def remove_left(self) -> str:
        """Remove the resources of killed probes; return a sentence about them."""
        apis = own_api.remove_left(self.cloud.client("apigatewayv2"))
        queues = own_queues.remove_left(self.cloud.client("sqs"))
        deployment = self.deployment()
        has_tenant = not own_tenant.absent(deployment)
        if has_tenant:
            own_tenant.erase(deployment)
        return f"{apis} APIs, {queues} queues, {int(has_tenant)} tenants"


def asked(
    place: ProbePlace, questions: Sequence[Question], site: Site, reasons: Mapping[str, str], terminal: Terminal
) -> tuple[ProbeReport, BaseException | None]:
    """Ask, and return the answers, and the interrupt or the error that ended the run before its time."""
    started = datetime.now(UTC)
    ending: BaseException | None = None
    with terminal.bar("Asking", len(questions)) as bar:
        interview = Interview(questions, lambda done, name: bar.update(done, len(questions), name))
        try:
            with place.site(questions, site) as ready, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(interview(ready))
        except BaseException as error:
            if not interview.asking and not interview.results:
                raise
            ending = error
    report = ProbeReport(
        environment=place.environment.name,
        account=place.environment.account_id,
        region=place.environment.region,
        is_aws=place.environment.name != LOCAL,
        asked_at=started,
        results=interview.results,
        left_out=reasons,
        interrupted=sorted(interview.asking),
    )
    return report, ending
