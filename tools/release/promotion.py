"""A release reaches a stack: planned, looked at, applied as planned, shifted to, and written down. And back."""

import json
import time
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from loudhailer.cells.dynamodb import DynamoCellDirectory
from loudhailer.ids import HUB as HUB_CELL
from loudhailer.ids import CellName
from loudhailer.tenants.dynamodb import DynamoTenantStore
from loudhailer.tenants.model import Tenant
from tools.client.http import HttpApi
from tools.console import Terminal
from tools.errors import OperatorError
from tools.release.cell_health import CellInHub, tenant_at
from tools.release.cloud import LOCAL, Cloud
from tools.release.environment import Cell, Environment, OtherAccount, Subscriber
from tools.release.errors import ErrorLog
from tools.release.health import SYNTHETIC, SyntheticBroadcast
from tools.release.lineage import head, require_no_older
from tools.release.losses import require_empty, require_no_loss
from tools.release.manifest import Manifest
from tools.release.plan import PlanSummary
from tools.release.registry import check_image
from tools.release.shift import GradualShift, Steps
from tools.release.store import Action, History, HistoryEntry, Manifests
from tools.release.workspace import Workspace
from tools.stack.project import Project
from tools.stack.traffic import Traffic

HUB = "hub"

_HUB_FIRST = "Promote the hub first, with the map that names it."
_HUB_AGAIN = "Promote the hub with the map that names the cell, or take the cell down."

_SPREAD = "SPREAD_SESSIONS"
"""Variable of `session_api`, if it knows the new keys of sessions; true if new sessions get them."""

_DEPTHS = [
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesDelayed",
    "ApproximateNumberOfMessagesNotVisible",
]


@dataclass(frozen=True)
class Promotion:
    """One stack of one environment, in the account that is signed in to.

    Attributes:
        about: the cell or the subscriber whose account it is; None: the hub's.
        home: the folder for plans, and for the outputs that one stack needs of another.
        replaces: commits of a main that was rewritten, whose place a release may take though it does not come after.
    """

    project: Project
    environment: Environment
    cloud: Cloud
    terminal: Terminal
    home: Path
    about: OtherAccount | None = None
    replaces: Collection[str] = ()

    @property
    def stack(self) -> str:
        """The stack's name."""
        return HUB if self.about is None else self.about.kind

    @property
    def account_id(self) -> str:
        """The stack's account."""
        return self.environment.account_id if self.about is None else self.about.account_id

    @property
    def workspace(self) -> Workspace:
        """Folder in which Terraform works on it."""
        folder = self.home / self.environment.name / (f"{self.about.kind}-{self.about.name}" if self.about else HUB)
        return Workspace(self.project, self.environment, self.stack, self.account_id, self.cloud, folder)

    @property
    def history(self) -> History:
        """Release that it ran."""
        return History(self.cloud.client("s3"), self.environment.state_bucket(self.account_id), self.stack)

    def require_no_older(self, manifest: Manifest) -> None:
        """Raise OperatorError if the release is older than the running one, or the checkout than the applied sources.

        A rollback, and a promotion that failed, leave newer Terraform sources than those of the release that runs.
        """
        if (current := self.history.current()) is not None:
            self._require_order(manifest.commit, current.manifest.commit)
        self._require_order(self._sources(manifest), self.history.sources())

    def _require_order(self, commit: str, applied: str) -> None:
        """Raise OperatorError if a commit is older than one that was applied; the commits of `local` need not exist."""
        if applied and applied not in self.replaces and self.environment.name != LOCAL:
            require_no_older(self.project.root, commit, applied)

    def _sources(self, manifest: Manifest) -> str:
        """The commit of the Terraform sources that are applied here; `local` has those of any release."""
        return manifest.commit if self.environment.name == LOCAL else head(self.project.root)

    def checked(self, manifest: Manifest) -> Manifest:
        """The manifest, if its image is of the environment's repository, and is there."""
        self.environment.accept(manifest.image)
        check_image(self.cloud.client("ecr", region=manifest.image.region), manifest.image)
        return manifest

    def released(self, commit: str) -> Manifest:
        """The manifest of a commit."""
        return Manifests(self.cloud.client("s3"), self.environment.releases_bucket).get(commit)

    def plan(self, manifest: Manifest, *, allow_destroy: bool = False) -> PlanSummary:
        """Plan a release, in a file.

        OperatorError, and no plan, if it destroys a table or a queue, unless it is allowed to.
        """
        summary = self._planned(manifest)
        self._require_no_loss(summary, allowed=allow_destroy)
        return summary

    def _planned(self, manifest: Manifest) -> PlanSummary:
        self.environment.require_signatures()
        self.cloud.require(self.account_id)
        self.checked(manifest)
        workspace = self.workspace
        with self.terminal.step(f"Planning {workspace.title}"):
            workspace.prepare()
            return workspace.plan(manifest, self._variables())

    async def apply(self, fingerprint: str | None, steps: Steps) -> Manifest:
        """Apply exactly the planned changes, shift to them, and record the release; return the running release."""
        self.cloud.require(self.account_id)
        workspace = self.workspace
        manifest = workspace.planned(fingerprint)
        revision = self.history.revision()
        self.require_no_older(manifest)
        self.checked(manifest)
        workspace.prepare()
        before = workspace.outputs()
        if before and (unfinished := self.traffic(before).unfinished()):
            raise OperatorError(
                f"A shift of {', '.join(unfinished)} was begun and never ended.",
                "Roll back first: `make rollback`.",
            )
        require_empty(workspace.lost_queues(), self._messages)  # hours may have passed since the plan
        sources = self._sources(manifest)
        self.history.begin(manifest, sources, revision)
        with self.terminal.step(f"Applying {workspace.title}"):
            workspace.apply()
        await self._shift(workspace.outputs(), manifest, steps, _recorded(self.history.current()))
        self.history.append(Action.PROMOTED, manifest, sources)
        return manifest

    async def roll_back(self, steps: Steps, *, allow_destroy: bool = False, lose_sessions: bool = False) -> Manifest:
        """Return to an earlier release: the traffic at once, then the configuration, so that nothing drifts.

        The configuration makes new versions of the earlier release, and traffic is shifted to them as to any new
        version. The Terraform sources must be the ones that were applied last, even if that promotion failed: older
        ones know fewer resources. OperatorError, and no change, for a cell that the hub no longer lists.
        """
        self.cloud.require(self.account_id)
        workspace = self.workspace
        current = self.history.current()
        if current is None:
            raise OperatorError(f"Nothing has been promoted to {workspace.title} yet.", "Promote a first release.")
        if self.waits_for_hub:
            raise OperatorError(
                f"The hub no longer lists {workspace.title}, which cannot be planned without it. Nothing was changed.",
                _HUB_AGAIN,
            )
        sources = self.history.sources() if self.environment.name == LOCAL else head(self.project.root)
        self._require_order(sources, self.history.sources())
        workspace.prepare()
        outputs = workspace.outputs()
        traffic = self.traffic(outputs)
        begun = bool(self.history.begun() or traffic.pending() or traffic.unfinished())
        live = set(traffic.images().values())
        manifest = self.checked(returned_to(current.manifest, self.history.previous(), live, begun=begun))
        if not lose_sessions:
            self._require_known_sessions(outputs, manifest)
        returned, since = traffic.return_to(manifest.image.digest), time.time()
        self.terminal.say(f"{len(returned)} functions run {manifest.image.digest} again.")
        with self.terminal.step(f"Applying {workspace.title} with the previous release"):
            summary = workspace.plan(manifest, self._variables())
            try:
                self._require_no_loss(summary, allowed=allow_destroy)
            except OperatorError as error:
                raise OperatorError(f"The traffic is back, the configuration is not. {error}", error.remedy) from None
            workspace.apply()
        await self._shift(workspace.outputs(), manifest, steps, since)
        self.history.append(Action.ROLLED_BACK, manifest, sources)
        return manifest

    def drift(self, current: Manifest) -> list[str]:
        """Return the differences from the repository and the current release; nothing is changed.

        A cell that the hub has lost cannot be planned: that is its one difference.
        """
        if self.waits_for_hub:
            return [f"the hub no longer lists this cell, which cannot be planned without it. {_HUB_AGAIN}"]
        summary = self._planned(current)
        traffic = self.traffic(self.workspace.outputs())
        begun = self.history.begun()
        shifts = []
        if begun is not None:
            commit = begun.manifest.commit
            shifts.append(f"the promotion of {commit} was begun at {begun.recorded_at} and has not ended")
        shifts += [f"{name}: a shift was begun and never ended" for name in traffic.unfinished()]
        shifts += [
            f"{shift.function}: version {shift.newest} is published and gets no traffic" for shift in traffic.pending()
        ]
        return [change.line.removeprefix("- ") for change in summary.changes] + shifts

    def broadcast(self, outputs: dict[str, Any], subscriber: Subscriber | None = None) -> SyntheticBroadcast:
        """A health check of the hub with these outputs: of the shards that are its own, or of a subscriber's."""
        queues = sum(name.startswith("shard-") for name in outputs["queue_urls"])
        shards = int(outputs.get("shards", queues))  # without drained ones; version 0.2 has no such output
        claimed = {shard for each in self.environment.subscribers for shard in each.shards}
        own = [shard for shard in range(shards) if shard not in claimed]
        return replace(
            self._broadcast(outputs),
            shards=shards,
            through=subscriber.shards if subscriber else own or range(shards),
            account=subscriber.account_id if subscriber else None,
            has_express=outputs.get("express_recipients") != 0,
            has_cells=bool(outputs.get("cells")),
            tenant=_synthetic_at(HUB_CELL, outputs),
        )

    def broadcast_on(self, cell: Cell, outputs: dict[str, Any]) -> SyntheticBroadcast:
        """A health check of a further cell by a broadcast to a tenant whose home it is, with the hub's outputs."""
        return replace(
            self._broadcast(outputs),
            account=cell.account_id,
            cell=cell.name,
            tenant=_synthetic_at(CellName(cell.name), outputs),
            has_express=False,
        )

    def _broadcast(self, outputs: dict[str, Any]) -> SyntheticBroadcast:
        return SyntheticBroadcast(
            HttpApi(outputs["http_url"], self.cloud.sign),
            DynamoTenantStore(self.cloud.client("dynamodb"), outputs["tables"]["tenants"]),
            shards=1,
            through=(0,),
            say=self.terminal.say,
        )

    def cell_in_hub(self, cell: Cell, outputs: dict[str, Any]) -> CellInHub:
        """The further cell in the hub's directory; OperatorError if the hub does not know it."""
        described = outputs.get("cells", {}).get(cell.name)
        if described is None:
            raise OperatorError(f"The hub of {self.environment.name} does not know {cell.name} yet.", _HUB_FIRST)
        return CellInHub(
            name=CellName(cell.name),
            weights=described["weights"],
            lease_seconds=described["placement"]["lease_seconds"],
            directory=DynamoCellDirectory(self.cloud.client("dynamodb"), outputs["tables"]["cells"]),
        )

    def outputs(self) -> dict[str, Any]:
        """Outputs of the stack."""
        workspace = self.workspace
        workspace.prepare()
        return workspace.outputs()

    def keep_description(self, about: OtherAccount) -> Path:
        """Write what the hub says to a file: the other account may not read the hub's state.

        It is null for a cell that the hub does not know yet, as cells get a release before the hub. OperatorError for
        such a subscriber, which gets the release after the hub.
        """
        path = self._description_file(about)
        described = self.outputs().get(f"{about.kind}s", {}).get(about.name)
        if described is None and isinstance(about, Subscriber):
            raise OperatorError(
                f"The hub of {self.environment.name} does not know {about.name} yet.",
                _HUB_FIRST,
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(described, indent=2))
        return path

    def _description_file(self, about: OtherAccount) -> Path:
        return self.home / self.environment.name / f"hub-for-{about.kind}-{about.name}.json"

    @property
    def waits_for_hub(self) -> bool:
        """Tell whether this is a cell that the hub did not know when it was asked."""
        return self.about is not None and self._description(self.about) is None

    def _variables(self) -> dict[str, Any]:
        """The variables of the stack that are no settings of the environment."""
        if self.about is None:
            return {}
        variable = HUB if isinstance(self.about, Cell) else "cell"
        return {variable: self._description(self.about), "region": self.environment.region}

    def _description(self, about: OtherAccount) -> Any:
        """Return what the hub says for the account, as it was kept; OperatorError if it was not."""
        path = self._description_file(about)
        if not path.exists():
            raise OperatorError(
                f"The hub's description for the {about.kind} {about.name} is missing.",
                f"Get it with the hub's credentials: `make cell ENVIRONMENT={self.environment.name} "
                f"{about.kind.upper()}={about.name}`.",
            )
        return json.loads(path.read_text())

    def traffic(self, outputs: dict[str, Any]) -> Traffic:
        """The aliases of the functions with these outputs."""
        return Traffic(self.cloud.client("lambda"), [*outputs.get("functions", {}).values()])

    def _require_no_loss(self, summary: PlanSummary, *, allowed: bool) -> None:
        """Raise OperatorError, and leave no plan, if something would be lost that must not be."""
        if not summary.missed:
            return
        outputs, current, previous = self.workspace.outputs(), self.history.current(), self.history.previous()
        traffic = self.traffic(outputs)
        versions = traffic.variables()
        for release in (current.manifest if current else None, previous):
            versions |= traffic.variables(release.image.digest) if release else {}
        for kind in (Cell.kind, Subscriber.kind):
            for name, described in outputs.get(f"{kind}s", {}).items():
                versions[f"the {kind} {name}"] = {"description": json.dumps(described)}
        try:
            require_no_loss(summary, versions, self._messages, allowed=allowed)
        except OperatorError as error:
            self.workspace.discard(str(error))
            raise

    def _messages(self, queue_url: str) -> int:
        """Return how many messages of a queue wait, are delayed, or are being handled."""
        answer = self.cloud.client("sqs").get_queue_attributes(QueueUrl=queue_url, AttributeNames=_DEPTHS)
        return sum(map(int, answer["Attributes"].values()))

    def _require_known_sessions(self, outputs: dict[str, Any], manifest: Manifest) -> None:
        """Raise OperatorError if the functions of a release would not find the sessions that exist: decision 0037."""
        if self.about is not None:
            return
        traffic = Traffic(self.cloud.client("lambda"), [outputs["functions"]["session_api"]])

        def knows(digest: str) -> bool:
            """Tell by the variables that its own release gave it: a rollback gives it those of newer sources."""
            return all(_SPREAD in variables for variables in traffic.variables(digest).values())

        are_spread = all(variables.get(_SPREAD) == "true" for variables in traffic.variables().values())
        if are_spread and all(map(knows, traffic.images().values())) and not knows(manifest.image.digest):
            raise OperatorError(
                f"The functions of {manifest.commit} do not know the keys of today's sessions: nobody could connect.",
                "Promote the release that runs with deployment = { former_release = true }, wait until the sessions of "
                "before are over, and roll back then. If all clients put their sessions again: LOSE_SESSIONS=true.",
            )

    async def _shift(self, outputs: dict[str, Any], manifest: Manifest, steps: Steps, since: float) -> None:
        """Shift from the running release to the applied one; OperatorError if another one runs at the end."""
        traffic = self.traffic(outputs)
        broadcast = self.broadcast(outputs) if self.about is None else None
        log = ErrorLog(self.cloud.client("logs"))
        await GradualShift(traffic, log, broadcast, steps, self.terminal.say, stable_since=since)()
        others = [name for name, digest in traffic.images().items() if digest != manifest.image.digest]
        if others:
            raise OperatorError(
                f"{', '.join(others)} do not run {manifest.image.digest}.", "See `loudhailer release drift`."
            )


def _synthetic_at(cell: CellName, outputs: dict[str, Any]) -> Tenant:
    """Return a tenant of the health checks that is on this cell; the usual one if there is no choice of cells."""
    described = next(iter(outputs.get("cells", {}).values()), None)
    if described is None or not described["weights"][cell]:
        return SYNTHETIC
    return tenant_at(cell, described["weights"], described["placement"]["home_connections"])


def _recorded(entry: HistoryEntry | None) -> float:
    """Return when a release was written down, in epoch seconds; 0 if there is none."""
    return 0.0 if entry is None else datetime.fromisoformat(entry.recorded_at).timestamp()


def returned_to(current: Manifest, previous: Manifest | None, live: set[str], *, begun: bool) -> Manifest:
    """Return a rollback's target, by what is written down, the digests that are live, and an open shift, if any.

    To the previous release; but a promotion that was taken back, or never ended, is undone first, and a rollback that
    never ended is brought to its end. OperatorError if there is no earlier release.
    """
    settled = live == {current.image.digest} and not begun
    returning = previous is not None and previous.image.digest in live
    if not settled and not returning:
        return current
    if previous is None:
        raise OperatorError("There is no earlier release that it could go back to.", "Promote a fix instead.")
    return previous
