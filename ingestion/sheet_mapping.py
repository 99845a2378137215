"""Mapping files: which column of which sheet is what. Reads and checks TOML; opens no sheet.

One file in `mappings/` describes one kind of sheet:

    object = "deals"                          # deals companies products owners activities targets contracts ..
    files = ["sales_pipeline*.csv"]           # globs on the file name, case does not matter
    sheet = "Deals"                           # workbooks only; default: the first sheet
    header_row = 3                            # default: found among the first rows
    header_rows = 2                           # a merged header over the real one
    decimal = ","                             # default "auto": told from the column's values
    date_formats = ["%m/%d/%Y"]               # tried in order; padding does not matter; default ISO
    required = ["owner"]                      # a row without it goes to quarantine
    key = ["owner", "month"]                  # makes record_id where no id column is mapped; default: the whole row.
                                              # A part may be empty or have no column, unless it is also required
    waits_for = ["ruling"]                    # a form: a row where these are all empty waits, and is not read
    [columns]
    owner = ["Seller", "Säljare"]             # header alternatives: case, spaces and diacritics do not matter
    amount = {headers = ["Value (k)"], multiplier = 1000}
    [defaults]                                # for a column that is absent or a cell that is empty
    currency = "SEK"
    [values.life_state]                       # translation of codes: no remark
    Won = "won"
    [corrections.product]                     # repair of a misspelling: done, and listed as a data quality issue
    GTXPro = "GTX Pro"
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from decimal import Decimal
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

Type = Literal["text", "date", "decimal", "integer", "boolean"]
Kind = Literal[
    "deals",
    "companies",
    "products",
    "owners",
    "activities",
    "targets",
    "contracts",
    "exchange_rates",
    "rulings",
    "firmographics",
    "technographics",
    "company_signals",
]

# a line about a company from outside: whose it is, and how much it is worth
ABOUT = ("legal_id", "company", "domain", "country", "source", "observed_at", "valid_from", "confidence")
FIELDS: dict[str, tuple[str, ...]] = {
    "deals": (
        *("deal_id", "name", "owner", "owner_email", "company", "contact_email", "product", "stage", "life_state"),
        *("pipeline", "amount", "currency", "created_date", "sao_date", "close_date", "closed_date"),
        *("order_type", "lead_source", "loss_reason", "list_value", "cost"),
    ),
    "companies": ("company_id", "name", "domain", "industry", "employees", "revenue", "country", "parent", "legal_id"),
    "products": ("product_id", "name", "series", "price"),
    "owners": ("owner_id", "name", "email", "team", "manager", "country", "start_date", "end_date"),
    "activities": (
        *("activity_id", "date", "owner", "company", "contact", "activity_type", "direction", "outcome"),
        *("next_step", "next_step_date"),
    ),
    "targets": ("owner", "team", "month", "target", "currency", "valid_from"),
    "contracts": ("contract_id", "company", "deal_id", "start_date", "end_date", "arr", "currency"),
    "exchange_rates": ("rate_date", "currency", "kind", "rate", "units"),
    "rulings": ("left_record", "right_record", "ruling", "ruled_by", "ruled_at", "reason"),
    "firmographics": (
        *ABOUT,
        *("legal_name", "industry_code", "industry", "employees", "revenue", "currency", "status", "parent"),
        "founded_date",
    ),
    "technographics": (*ABOUT, "product", "category", "first_seen", "last_seen"),
    "company_signals": (*ABOUT, "signal", "detail", "expires_at"),
}
ID_FIELD = {
    "deals": "deal_id",
    "companies": "company_id",
    "products": "product_id",
    "owners": "owner_id",
    "activities": "activity_id",
    "contracts": "contract_id",
}
TYPES: dict[str, Type] = {
    **dict.fromkeys(("created_date", "sao_date", "close_date", "closed_date", "start_date", "end_date"), "date"),
    **dict.fromkeys(("date", "next_step_date", "month", "valid_from", "rate_date", "ruled_at"), "date"),
    **dict.fromkeys(("observed_at", "expires_at", "first_seen", "last_seen", "founded_date"), "date"),
    **dict.fromkeys(("amount", "list_value", "cost", "revenue", "price", "target", "arr", "rate", "units"), "decimal"),
    "confidence": "decimal",
    "employees": "integer",
}
ALLOWED = {
    "life_state": ("open", "won", "lost"),
    "order_type": ("new_business", "expansion", "renewal", "contraction", "unknown"),
    "activity_type": ("call", "email", "meeting", "note", "task"),
    "direction": ("inbound", "outbound"),
    "kind": ("day", "plan"),
    "ruling": ("same", "different", "keep_apart"),
    "status": ("active", "bankrupt", "winding_up", "ceased"),
    "signal": (
        *("new_executive", "funding", "hiring", "expansion", "technology_change", "visit_intent", "address_change"),
        *("bankruptcy", "winding_up", "ceased"),
    ),
}


class MappingError(ValueError):
    """A mapping file that cannot be used; the message names the file, the key and what to do."""


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Texts = Annotated[list[str], BeforeValidator(_as_list)]


class Column(BaseModel):
    """Where one canonical field comes from. `type` None: the field's own type."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    headers: Texts = Field(min_length=1)
    type: Type | None = None
    multiplier: Decimal | None = None
    date_formats: Texts | None = None


def _as_column(value: Any) -> Any:
    return {"headers": value} if isinstance(value, str | list) else value


class Mapping(BaseModel):
    """A checked mapping file. `name` is the file's stem and part of the record ids that have no id column."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    digest: str = ""
    object: Kind
    description: str = ""
    files: Texts = Field(min_length=1)
    sheet: str | None = None
    header_row: int | None = Field(default=None, ge=1)
    header_rows: int = Field(default=1, ge=1, le=5)
    decimal: Literal["auto", ",", "."] = "auto"
    date_formats: Texts = ["%Y-%m-%d"]
    empty: Texts = ["", "-", "n/a", "null"]
    required: Texts = []
    key: Texts = []
    waits_for: Texts = []
    columns: dict[str, Annotated[Column, BeforeValidator(_as_column)]] = Field(min_length=1)
    defaults: dict[str, str] = {}
    values: dict[str, dict[str, str]] = {}
    corrections: dict[str, dict[str, str]] = {}

    @model_validator(mode="after")
    def _names_only_known_fields(self) -> Mapping:
        known = FIELDS[self.object]
        for place in ("columns", "defaults", "values", "corrections", "required", "key", "waits_for"):
            for field in getattr(self, place):
                if field not in known:
                    raise ValueError(f"{place}: {field!r} is no field of {self.object}; use one of {', '.join(known)}")
        for place in ("values", "corrections", "required", "key", "waits_for"):
            for field in getattr(self, place):
                if field not in self.columns and field not in self.defaults:
                    raise ValueError(f"{place}: {field!r} has no entry under [columns]; add one or remove it here")
        for field, column in self.columns.items():
            if column.multiplier is not None and self.type_of(field) not in ("decimal", "integer"):
                raise ValueError(f"columns.{field}: multiplier needs type decimal or integer")
        return self

    def type_of(self, field: str) -> Type:
        column = self.columns.get(field)
        return (column.type if column else None) or TYPES.get(field, "text")

    def formats_of(self, field: str) -> tuple[str, ...]:
        column = self.columns.get(field)
        own = column.date_formats if column else None
        return tuple(percent_format(f) for f in (own or self.date_formats))

    @property
    def id_field(self) -> str | None:
        """The mapped id column, if the sheet has one."""
        field = ID_FIELD.get(self.object)
        return field if field in self.columns else None

    @property
    def version(self) -> str:
        """Name and content of the mapping: rows are read anew when either changes."""
        return f"{self.name}@{self.digest}"

    def matches(self, file_name: str) -> int:
        """How closely the file's name is meant: the literal characters of the closest glob, -1 for none."""
        name = file_name.casefold()
        close = [len(g) - 100 * sum(map(g.count, "*?[")) for g in self.files if fnmatchcase(name, g.casefold())]
        return 1000 + max(close) if close else -1


def normalise(text: str) -> str:
    """Lower case, no diacritics, letters and digits only: `Nästa steg (datum)` and `nasta_steg datum` are equal."""
    plain = unicodedata.normalize("NFKD", text.casefold().replace("ø", "o").replace("æ", "ae").replace("ß", "ss"))
    return re.sub(r"[\W_]+", "", "".join(c for c in plain if not unicodedata.combining(c)))


def percent_format(text: str) -> str:
    """`m/d/Y` is accepted for `%m/%d/%Y`."""
    return text if "%" in text else re.sub(r"[dmYybBHMS]", r"%\g<0>", text)


def load_mappings(paths: list[Path]) -> list[Mapping]:
    """Read and check mapping files; a folder stands for its *.toml. Raises MappingError for the first bad one."""
    files: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            files += sorted(path.glob("*.toml"))
        elif path.is_file():
            files.append(path)
        else:
            raise MappingError(f"{path}: no such mapping file; correct the path or remove it from the settings")
    mappings = [_load(path) for path in files]
    names = [mapping.name for mapping in mappings]
    for name in names:
        if names.count(name) > 1:
            raise MappingError(f"{name}.toml: two mapping files have this name; rename one")
    return mappings


def _load(path: Path) -> Mapping:
    from hashlib import sha256

    body = path.read_bytes()
    try:
        raw = tomllib.loads(body.decode("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise MappingError(f"{path}: not readable as TOML in UTF-8 ({error}); correct that line") from error
    for reserved in ("name", "digest"):
        if reserved in raw:
            raise MappingError(f"{path}: key {reserved}: is taken from the file; remove it")
    try:
        return Mapping(name=path.stem, digest=sha256(body).hexdigest()[:12], **raw)
    except ValidationError as error:
        raise MappingError(f"{path}: {_explain(error)}") from error


def _explain(error: ValidationError) -> str:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"] if part not in ("function-before[_as_list(), list[str]]",))
    if first["type"] == "extra_forbidden":
        accepted = ", ".join(Column.model_fields if key.startswith("columns.") else _public_keys())
        return f"key {key}: is not known; remove it or use one of {accepted}"
    if first["type"] == "missing":
        return f"key {key}: is missing; add it"
    message = first["msg"].removeprefix("Value error, ")
    return f"key {key}: {message}" if key else f"key {message}"


def _public_keys() -> list[str]:
    return [name for name in Mapping.model_fields if name not in ("name", "digest")]
