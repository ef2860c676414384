"""Requests by schemathesis to every address that an application describes."""

import pytest


def try_every_address(app, headers: dict[str, str], addresses: int, examples: int) -> None:
    """Send requests that follow the description, and such that break it: no 500, and replies of the described form.

    Args:
        headers: Of every request.
        addresses: How many addresses there must be.
        examples: The requests of each kind to each address, at most.
    """
    schemathesis = pytest.importorskip("schemathesis", reason="needs schemathesis")
    from hypothesis import HealthCheck, Phase, given, settings
    from schemathesis import checks
    from schemathesis.specs.openapi import checks as openapi

    schema = schemathesis.openapi.from_asgi("/api/openapi.json", app, headers=headers)
    chosen = [
        checks.not_a_server_error,
        openapi.status_code_conformance,
        openapi.content_type_conformance,
        openapi.response_schema_conformance,
    ]
    operations = [operation.ok() for operation in schema.get_all_operations()]
    assert len(operations) == addresses
    for operation in operations:
        for mode in schemathesis.GenerationMode:

            @settings(
                max_examples=examples,
                deadline=None,
                derandomize=True,
                suppress_health_check=list(HealthCheck),
                phases=[Phase.generate],
                database=None,
            )
            @given(case=operation.as_strategy(generation_mode=mode))
            def try_out(case):
                case.call_and_validate(checks=chosen, headers=headers)

            try_out()
