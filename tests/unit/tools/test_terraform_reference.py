"""The READMEs of Terraform's modules and stacks, written from the sources."""

from pathlib import Path

import pytest

from tools.errors import OperatorError
from tools.terraform_reference import MARKER, folders, updated

VARIABLES = """
variable "shards" {
  description = "Queues | \\"lanes\\"."
  type = object({
    count       = optional(number, 2) # of queues
    concurrency = optional(number, 2)
  })
  default = {}

  validation {
    condition     = var.shards.count > 0
    error_message = "shards must be there."
  }
}

variable "prefix" {
  description = "Beginning of every name."
  type        = string
}

variable "old" {
  description = "Removed: set shards."
  type        = any
  default     = null
}

output "arn" {
  description = "ARN of the <topic>."
  value       = "arn"
}
"""


@pytest.fixture
def module(tmp_path: Path) -> Path:
    """The folder of a module with these variables, and a README without a table."""
    (tmp_path / "variables.tf").write_text(VARIABLES)
    (tmp_path / "README.md").write_text(f"# module\n\nWhat it is for.\n\n{MARKER}\nold\n")
    return tmp_path


def test_a_readme_has_the_inputs_and_outputs_behind_the_text(module: Path) -> None:
    """Types are on one line; a variable that is removed is left out."""
    text = "# module\n\nWhat it is for.\n"
    shards = "object({count = optional(number, 2), concurrency = optional(number, 2)})"
    assert updated(module) == "\n".join(
        [
            text,
            f"{MARKER}\n\n## Inputs\n",
            "| name | type | default | description |\n|---|---|---|---|",
            f'| `shards` | `{shards}` | `{{}}` | Queues \\| "lanes". |',
            "| `prefix` | `string` | required | Beginning of every name. |\n",
            "## Outputs\n",
            "| name | description |\n|---|---|",
            "| `arn` | ARN of the &lt;topic>. |\n",
        ]
    )


@pytest.mark.parametrize("text", [None, "# module\n"])
def test_a_readme_that_is_missing_or_has_no_place_for_the_tables_is_an_error(module: Path, text: str | None) -> None:
    """The message says what to write."""
    (module / "README.md").unlink()
    if text is not None:
        (module / "README.md").write_text(text)
    with pytest.raises(OperatorError, match="has no line") as refused:
        updated(module)
    assert "what the module is for" in refused.value.remedy


@pytest.mark.parametrize("folder", folders(), ids=lambda folder: folder.name)
def test_every_readme_matches_the_sources(folder: Path) -> None:
    """`make format` writes it."""
    assert (folder / "README.md").read_text() == updated(folder)
