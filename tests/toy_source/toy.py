"""A CRM of two lists, `deals` and `stages`, paged by number: what the walk of CONTRIBUTING.md makes of its reader.

`tests/whole/test_toy_source.py` puts it where a real one would stand. It follows nothing but the walk: the session
asks, the spool holds, `land` judges what is new.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from ingestion.landing import Batch, ObjectResult, land
from ingestion.objects import find
from ingestion.reads import Connect
from ingestion.session import SourceSession
from ingestion.spool import Form, Spool

SOURCE = "toy"
FORM = Form(rows="data", nested="-", is_nested_required=False, stamp="changed", deleted="gone", deleted_at="-")


def sync_toy(
    open_connection: Connect, session: SourceSession, spool_dir: Path, run_id: str, now: datetime
) -> Iterator[ObjectResult]:
    """Both lists, whole, every night; yields each one's result as it is committed."""
    for name in ("stages", "deals"):
        spool, page = Spool(spool_dir / f"{SOURCE}__{name}", form=FORM), "1"
        while page:
            answer = session.get(f"/{name}", {"page": page}, require="data")
            spool.add_page(answer.body, answer.content["data"])
            page = answer.content.get("next")
        with open_connection() as connection:
            result = land(connection, Batch(find(SOURCE, name), spool, run_id, now))
        spool.remove()
        yield result
