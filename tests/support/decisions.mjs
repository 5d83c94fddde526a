// Asks a second engine of IAM what the local AWS has decided: its lines on stdin, the other engine's answers on stdout.
import { createInterface } from "node:readline";
import { runSimulation } from "@cloud-copilot/iam-simulate";

const named = (policies) => policies.map((policy, index) => ({ name: `policy-${index}`, policy }));
const everything = { Version: "2012-10-17", Statement: [{ Effect: "Allow", Action: "*", Resource: "*" }] };
const organization = [{ orgIdentifier: "root", policies: [{ name: "everything", policy: everything }] }];

async function answer({ principal, account, action, resource, context, policies, limits }) {
  const [boundary] = limits;
  const result = await runSimulation(
    {
      request: {
        principal,
        action,
        // Across accounts, both sides decide, each by its own policies; a line is the decision of one of them.
        resource: { resource, accountId: account },
        contextVariables: context,
      },
      identityPolicies: named(policies),
      serviceControlPolicies: organization,
      resourceControlPolicies: [],
      ...(boundary ? { permissionBoundaryPolicies: named(boundary) } : {}),
    },
    {},
  );
  return result.resultType === "error" ? { error: result.errors } : { decision: result.overallResult };
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await answer(JSON.parse(line)))}\n`);
}
