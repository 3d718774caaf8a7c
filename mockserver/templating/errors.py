"""The one error of this package."""


class TemplateError(Exception):
    """A template cannot be read or rendered. `line` and `column` count from 1 in the template."""

    def __init__(self, problem: str, line: int = 0, column: int = 0) -> None:
        super().__init__(f"{line}:{column}: {problem}" if line else problem)
        self.problem = problem
        self.line = line
        self.column = column
