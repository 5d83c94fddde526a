# Further cells: each is the stack `cell` in another account, and is given what the output `cells` says under its name.

variable "cells" {
  description = "Further cells, by name: AWS account, external id of the roles of both sides, and Region. The weight is its part of the new sessions beside the weights of the others; 0 for none. connects_per_second is the number of new connections that API Gateway lets into its account in a second; null: that of `connects`."
  type = map(object({
    account_id          = string
    external_id         = string
    region              = string
    weight              = optional(number, 1)
    connects_per_second = optional(number)
  }))
  default = {}

  validation {
    condition     = alltrue([for name in keys(var.cells) : can(regex("^[a-z][a-z0-9-]{1,15}$", name)) && name != "hub"])
    error_message = "cells: a name must be 2 to 16 lowercase letters, digits and dashes, beginning with a letter; hub is the hub's own."
  }
  validation {
    condition     = alltrue([for cell in var.cells : can(regex("^[0-9]{12}$", cell.account_id))])
    error_message = "cells: account_id must be 12 digits."
  }
  # A subscriber and a cell both make a function post_message of the same name.
  validation {
    condition = length(distinct(concat(
      [var.account_id], [for subscriber in var.subscribers : subscriber.account_id], values(var.cells)[*].account_id
    ))) == 1 + length(distinct([for subscriber in var.subscribers : subscriber.account_id])) + length(var.cells)
    error_message = "cells: account_id must differ between cells, subscribers and the hub."
  }
  # https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
  validation {
    condition     = alltrue([for id in values(var.cells)[*].external_id : can(regex("^[A-Za-z0-9_+=,.@:/-]{2,}$", id)) && length(id) <= 1224])
    error_message = "cells: external_id must be 2 to 1224 letters, digits and characters of _+=,.@:/-."
  }
  validation {
    condition     = alltrue([for cell in var.cells : can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", cell.region))])
    error_message = "cells: region must be a Region's name, such as us-east-1."
  }
  validation {
    condition     = alltrue([for cell in var.cells : cell.weight >= 0 && cell.weight <= 1000000])
    error_message = "cells: weight must be from 0 to 1000000."
  }
  validation {
    condition     = alltrue([for cell in var.cells : cell.connects_per_second == null ? true : cell.connects_per_second >= 0 && cell.connects_per_second <= 100000])
    error_message = "cells: connects_per_second must be from 0, which lets in everyone at once, to 100000."
  }
  validation {
    condition     = sum(concat([var.hub_cell.weight], values(var.cells)[*].weight)) > 0
    error_message = "cells: one weight at least must be above 0, that of hub_cell included."
  }
  # All variables of a function have 4 KB together.
  validation {
    condition     = length(jsonencode(var.cells)) <= 2600
    error_message = "cells: names and external ids must be short: as JSON the map may have 2,600 bytes."
  }
}

variable "hub_cell" {
  description = "The weight of the hub's own cell beside those of further cells."
  type        = object({ weight = optional(number, 1) })
  default     = {}

  validation {
    condition     = var.hub_cell.weight >= 0 && var.hub_cell.weight <= 1000000
    error_message = "hub_cell.weight must be from 0 to 1000000."
  }
}

variable "placement" {
  description = "Placement of sessions on cells: connections of a tenant that make a home; seconds after which a cell renews its lease; and the age in seconds up to which a lease counts."
  type = object({
    home_connections = optional(number, 20000)
    beat_seconds     = optional(number, 5)
    lease_seconds    = optional(number, 15)
  })
  default = {}

  validation {
    condition     = var.placement.home_connections >= 1 && var.placement.home_connections <= 1000000000
    error_message = "placement.home_connections must be from 1 to 1000000000."
  }
  validation {
    condition     = var.placement.beat_seconds >= 1 && var.placement.beat_seconds <= 30
    error_message = "placement.beat_seconds must be from 1 to 30."
  }
  validation {
    condition     = var.placement.lease_seconds >= 3 * var.placement.beat_seconds && var.placement.lease_seconds <= 120
    error_message = "placement.lease_seconds must be from three times placement.beat_seconds, so that a beat may be late, to 120."
  }
}

locals {
  weights = merge({ hub = var.hub_cell.weight }, { for name, cell in var.cells : name => cell.weight })

  # The clients of all cells ask the hub for their sessions. A further cell without weight may still have clients.
  connects_of_cells   = concat([for cell in var.cells : coalesce(cell.connects_per_second, var.connects.per_second)], var.hub_cell.weight > 0 ? [var.connects.per_second] : [])
  connects_per_second = contains(local.connects_of_cells, 0) ? 0 : sum(concat([0], local.connects_of_cells))

  cells = length(var.cells) == 0 ? null : {
    declared = var.cells
    json = jsonencode({
      for name, cell in var.cells : name => merge(
        { accountId = cell.account_id, externalId = cell.external_id, region = cell.region, weight = cell.weight },
        { for rate in cell.connects_per_second[*] : "connectsPerSecond" => rate },
      )
    })
    hub_weight       = var.hub_cell.weight
    weights          = jsonencode(local.weights)
    home_connections = var.placement.home_connections
    lease_seconds    = var.placement.lease_seconds
  }
}

output "cells" {
  description = "The variable `hub` of the stack `cell`, by the cell's name."
  value = {
    for name, cell in var.cells : name => {
      name           = name
      prefix         = module.deployment.deployment.prefix
      environment    = var.environment
      region         = cell.region
      account_id     = cell.account_id
      hub_region     = var.region
      hub_account_id = var.account_id
      role           = { arn = module.cell.cell_roles[name], external_id = cell.external_id }
      topic_arn      = module.cell.topic_arn
      tables         = { for table in ["broadcasts", "cells", "tenants"] : table => module.cell.tables[table].name }
      weights        = local.weights
      placement      = var.placement
      messages = {
        role_arn         = module.cell.message_roles[name]
        queue_url        = module.cell.queues["forward-${name}"].url
        placements_table = module.cell.tables.placements.name
      }
      message_lifetime_seconds = module.cell.message_lifetime_seconds

      # The registry of every account makes it, under the same name.
      permissions_boundary = try(replace(var.permissions_boundary, "/::[0-9]+:/", "::${cell.account_id}:"), null)
    }
  }
}
