# Members are counted and repaired as connections are.
module "counting" {
  source = "../counting"

  package        = var.package
  deployment     = var.deployment
  suffix         = "members"
  functions      = { accounting = var.functions["accounting-members"], reconcile = var.functions["reconcile-members"] }
  window_seconds = var.settings.accounting_window
  tables         = { connections = local.members, partitions = local.audiences }
}
