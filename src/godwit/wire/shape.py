"""The two bases of all wire models: what is sent by a client, and what is answered by the API.

It holds no model of its own.
"""

from pydantic import BaseModel, ConfigDict

__all__ = ["Reply", "Request"]


class Request(BaseModel):
    """What a client sends. An unknown key is a mistake, and is said at once."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Reply(BaseModel):
    """What the API answers. Unknown keys are ignored: the server may be newer than the client."""

    model_config = ConfigDict(extra="ignore", frozen=True)
