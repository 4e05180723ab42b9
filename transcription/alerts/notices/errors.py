"""Why a notice did not arrive."""


class NotDelivered(Exception):
    """The text is for operators, without secrets or what the receiver said. `is_final`: it makes no sense to try again."""

    def __init__(self, text: str, *, is_final: bool = False) -> None:
        super().__init__(text)
        self.is_final = is_final
