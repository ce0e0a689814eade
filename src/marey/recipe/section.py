"""What every section of a recipe is."""

import hashlib
import json
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, model_validator


class Section(BaseModel):
    """A section of a recipe: immutable, and closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _none_by_name(cls, said: Any) -> Any:
        """`none` on the command line lifts a limit; where it is one of the words to choose from, it is that word."""
        if not isinstance(said, dict):
            return said
        words = {name for name, field in cls.model_fields.items() if "none" in get_args(field.annotation)}
        return {name: "none" if value is None and name in words else value for name, value in said.items()}

    def fingerprint(self) -> str:
        """Sixteen hex digits that change whenever a value in this section does."""
        return hashlib.sha256(json.dumps(self.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()[:16]
