"""Why a model is not taken into the catalogue, or not out of it: a sentence for the operator."""


class CatalogueError(Exception):
    """`message` says what came, what was expected and what to do. Nothing was changed."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
