# In a further cell: only the hub's `session_api` reaches the sessions that it has placed here.
module "hub_role" {
  source = "../roles_for_other_accounts"

  deployment = var.deployment
  roles = {
    for hub in var.hub[*] : "hub" => {
      name        = "hub"
      account_id  = hub.hub_account_id
      functions   = ["session_api"]
      external_id = hub.role.external_id
      policy_name = "hub"
      statements  = local.keep_sessions
    }
  }
}

moved {
  from = aws_iam_role.hub[0]
  to   = module.hub_role.aws_iam_role.this["hub"]
}

moved {
  from = aws_iam_role_policy.hub[0]
  to   = module.hub_role.aws_iam_role_policy.this["hub"]
}
