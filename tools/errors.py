"""The one error that ends a command: what went wrong, and what the operator can do about it."""


class OperatorError(Exception):
    """A command cannot go on.

    Attributes:
        problem: what is wrong, in one or two sentences.
        remedy: what to do now; empty when nothing but reading the problem helps.
    """

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.remedy = remedy
