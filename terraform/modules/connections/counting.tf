module "counting" {
  source = "../counting"

  package        = var.package
  deployment     = var.deployment
  functions      = { accounting = var.functions.accounting, reconcile = var.functions.reconcile }
  window_seconds = var.settings.accounting_window
  tables         = { connections = local.connections, partitions = local.partitions }
  session_tables = var.tables
}
