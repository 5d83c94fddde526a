"""Number of connections of a tenant, by each of the three places that say so."""

from dataclasses import dataclass

from loudhailer.ids import TenantId
from tools.stack.deployment import Deployment


@dataclass(frozen=True)
class TenantCount:
    """A tenant's connections.

    Attributes:
        tenant: the tenant.
        partitions: how many partitions it has.
        rows: connections that have a row; None if the rows were not counted.
        counted: the sum of its partitions' counts, which `accounting` keeps.
        reserved: its total, which `connect` raises and `accounting` lowers.
    """

    tenant: TenantId
    partitions: int
    rows: int | None
    counted: int
    reserved: int

    def agrees_with(self, truth: int) -> bool:
        """Tell whether all three counts are right."""
        return self.rows == self.counted == self.reserved == truth


def count_tenant(deployment: Deployment, tenant: TenantId, *, count_rows: bool = True) -> TenantCount:
    """Count one tenant's connections on all cells, by consistent reads.

    DynamoDB reads every row that it counts: a million connections are more than 50,000 read units. Without `count_rows`
    only the counts are read, one row for each partition.
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.Other.html#Query.Count
    """
    cells = deployment.all_cells.values()
    partitions = [(cell, partition) for cell in cells for partition in cell.partitions.of(tenant)]
    return TenantCount(
        tenant=tenant,
        partitions=len(partitions),
        rows=sum(cell.connections.size(partition.partition) for cell, partition in partitions) if count_rows else None,
        counted=sum(partition.count for _, partition in partitions),
        reserved=sum(cell.limits.total(tenant).count for cell in cells),
    )
