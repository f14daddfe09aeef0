// Answers what IAM would say of calls, by the simulator that others keep: one case a line in, one result a line out.
//
// node simulate.mjs FOLDER, where FOLDER holds node_modules.

import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'

const { runUnsafeSimulation } = createRequire(`${process.argv[2]}/package.json`)('@cloud-copilot/iam-simulate')

const named = (policies) => policies.map((policy, number) => ({ name: `p${number}`, policy }))
const levels = (all) => all.map((policies, number) => ({ orgIdentifier: `level${number}`, policies: named(policies) }))

for await (const line of createInterface({ input: process.stdin })) {
  const { action, resource, principal, account, context, identity, serviceControl, resourceControl, boundary } = JSON.parse(line)
  const result = runUnsafeSimulation(
    {
      request: { principal, action, resource: { resource, accountId: account }, contextVariables: context },
      identityPolicies: named(identity),
      serviceControlPolicies: levels(serviceControl),
      resourceControlPolicies: levels(resourceControl),
      permissionBoundaryPolicies: boundary ? named([boundary]) : undefined
    },
    {}
  )
  console.log(result)
}
