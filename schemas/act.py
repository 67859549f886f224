"""Acts: what an operator, a recipient or the system did; records of the log like any other."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from schemas.times import Time

# `undelivered` is the system's: a dispatcher could not tell a recipient of an orange or red notice (EXACT, rule 11).
ActName = Literal["issue", "release", "acknowledge", "answer", "update", "cancel", "silence", "undelivered"]


# No database keeps a NUL in a key, and no terminal should print the others.
_Key = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$")]


class Act(BaseModel):
    """One act. The sender makes the id, and a repeat counts once.

    `outcome` and `refused_because` are the pipeline's judgement at the act's place in the log: None until then.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: _Key
    act: ActName
    by: _Key
    at: Time
    alert: _Key | None = None
    version: int | None = None
    reason: Annotated[str, Field(max_length=2000)] = ""
    content: dict[str, Any] = Field(default_factory=dict)
    outcome: Literal["done", "refused"] | None = None
    refused_because: str | None = None

    def judged(self, refused_because: str | None = None) -> Act:
        """The same act with its outcome: done, or refused for a reason."""
        outcome = "done" if refused_because is None else "refused"
        return self.model_copy(update={"outcome": outcome, "refused_because": refused_because})
