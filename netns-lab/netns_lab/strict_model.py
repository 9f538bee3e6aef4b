"""What every model of a file has in common: nothing unknown, nothing empty, nothing converted."""

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator


class Model(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)

    @field_validator("*", mode="before")
    @classmethod
    def _given(cls, value: object, info: ValidationInfo) -> object:
        if value is None:  # `password:` with nothing behind it is a slip, not a wish for the default
            raise ValueError("expected a value")
        return value
