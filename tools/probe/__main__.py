"""Write `docs/aws-answers.md`: `python -m tools.probe`."""

from tools.probe.questions import QUESTIONS
from tools.probe.report import page, recorded
from tools.stack.project import Project

if __name__ == "__main__":
    docs = Project.of_this_code().root / "docs"
    (docs / "aws-answers.md").write_text(page(QUESTIONS, recorded(docs / "aws-answers")))
