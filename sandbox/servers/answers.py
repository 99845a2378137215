"""What a HubSpot endpoint hands back: an answer, or an error in the vendor's shape."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid5

_NAMESPACE = UUID("6f0c1d2e-1111-4222-8333-444455556666")


@dataclass
class Answer:
    """Status, JSON-ready body (bytes go out as they are) and extra headers."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


class ApiError(Exception):
    """An error answer; raised anywhere below the dispatcher."""

    def __init__(self, status: int, category: str, message: str, **more: Any) -> None:
        super().__init__(message)
        self.answer = Answer(
            status,
            {
                "status": "error",
                "message": message,
                "correlationId": str(uuid5(_NAMESPACE, message)),
                "category": category,
                **more,
            },
        )


def bad_request(message: str, **more: Any) -> ApiError:
    """400, as for every wrong parameter."""
    return ApiError(400, "VALIDATION_ERROR", message, **more)


def not_found(message: str = "resource not found") -> ApiError:
    """404 with the vendor's category."""
    return ApiError(404, "OBJECT_NOT_FOUND", message)


def missing_scope(scope: str) -> ApiError:
    """403 that names the scope."""
    return ApiError(
        403,
        "MISSING_SCOPES",
        "This app hasn't been granted all required scopes to make this call.",
        errors=[
            {
                "message": "One or more of the following scopes are required.",
                "context": {"requiredGranularScopes": [scope]},
            }
        ],
    )
