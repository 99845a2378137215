"""The practice company as rows of a Salesforce org: whole seconds, typed values, its ids, its way of merging.

What differs from the world by the vendor's nature: a person who came by a form is a Lead until somebody qualified it or
made a deal with it, and a Contact from then on; the survivor of a merge keeps its own id; deals cannot be merged, so
the copy is deleted; a lead nobody owns belongs to a queue; notes are completed tasks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from sandbox.activities import REACHED
from sandbox.catalogue import DEAL_STAGES, PIPELINES
from sandbox.servers.salesforce_fields import ONLY_MULTI_CURRENCY, SOBJECTS, org_id, types_of
from sandbox.servers.salesforce_setup import FORECASTS, SETUP_AT, SETUP_ROWS, lead_status, number, record_type
from sandbox.store import Record, Value, instant_of
from sandbox.world import World

Row = dict[str, Any]
ORDER_TYPES = {"newbusiness": "New Business", "existingbusiness": "Existing Business"}
WITH_HISTORY = {"companies": "Account", "contacts": "Contact", "deals": "Opportunity", "leads": "Lead"}
NAMES = WITH_HISTORY | {"line_items": "OpportunityLineItem", "meetings": "Event"}
# the world's property -> the org's field whose history is tracked
TRACKED = {
    "deals": {
        "dealstage": "StageName", "amount": "Amount", "closedate": "CloseDate", "hubspot_owner_id": "Owner",
        "pipeline": "RecordType", "hs_manual_forecast_category": "ForecastCategoryName", "hs_next_step": "NextStep",
        "closed_lost_reason": "Loss_Reason__c", "competitor": "Competitor__c", "next_step_date": "Next_Step_Date__c",
        "legal_terms_date": "Legal_Terms_Date__c", "signed_date": "Signed_Date__c", "dealtype": "Type",
        "contract_term_months": "Contract_Term_Months__c", "deal_currency_code": "CurrencyIsoCode",
    },
    "leads": {"hs_pipeline_stage": "Status", "hubspot_owner_id": "Owner"},
    "contacts": {
        "email": "Email", "jobtitle": "Title", "hubspot_owner_id": "Owner", "lifecyclestage": "Lifecycle_Stage__c",
        "hs_lead_status": "Lead_Status__c", "hs_latest_source": "Latest_Source__c",
        "hs_email_hard_bounce_reason_enum": "EmailBouncedReason",
    },
    "companies": {"industry": "Industry", "numberofemployees": "NumberOfEmployees", "hubspot_owner_id": "Owner"},
}  # fmt: skip
HISTORIES = {kind: f"{name}History" for kind, name in WITH_HISTORY.items()} | {"deals": "OpportunityFieldHistory"}
MACHINE, QUEUE = org_id("User", 1), org_id("Group", 1)


def second(at: int) -> int:
    """The vendor keeps whole seconds."""
    return at // 1000 * 1000


class Org:
    """Rows of every object, computed when the world has moved and kept until then."""

    def __init__(self, world: World) -> None:
        self.world, self.is_multi_currency = world, True
        self._rows: dict[str, list[Row]] = {}
        self._seen: tuple[Any, ...] = ()
        self._merged_at: dict[str, int] = {}

    def types_of(self, sobject: str) -> dict[str, str] | None:
        """Fields and types; None for an object that this org lacks."""
        known = {name.lower(): name for name in SOBJECTS}
        name = known.get(sobject.lower())
        if name is None or (name in ONLY_MULTI_CURRENCY and not self.is_multi_currency):
            return None
        return types_of(name)

    def rows(self, sobject: str) -> list[Row]:
        """Every row, deleted ones too, by id."""
        store = self.world.store
        moved = sum(record.updated_at for record in store.records["deals"].values())  # a mere stamp is not in the log
        seen = (len(store.log), self.world.now, moved, sum(owner.updated_at for owner in self.world.owners))
        if seen != self._seen:
            self._seen, self._rows = seen, {}
            self._merged_at = {event.value or "": event.at for event in store.log if event.kind == "merged"}
        if sobject not in self._rows:
            makers: dict[str, Callable[[], Iterator[Row]]] = {
                "Account": self._accounts, "Contact": self._contacts, "Lead": self._leads,
                "Opportunity": self._opportunities, "OpportunityHistory": self._snapshots,
                "OpportunityLineItem": self._line_items, "OpportunityContactRole": self._roles, "Task": self._tasks,
                "Event": self._events, "EmailMessage": self._messages, "User": self._users,
            }  # fmt: skip
            makers |= {name: partial(self._field_history, kind) for kind, name in HISTORIES.items()}
            found = list(makers[sobject]() if sobject in makers else self._setup(sobject))
            self._rows[sobject] = sorted(found, key=lambda row: row["Id"])
        return self._rows[sobject]

    def visible(self, sobject: str, includes_deleted: bool) -> list[Row]:
        """What `query` sees, or `queryAll`."""
        rows = self.rows(sobject)
        return rows if includes_deleted else [row for row in rows if not row.get("IsDeleted")]

    # ids, users and the people behind leads

    def id_of(self, record: Record) -> str:
        """The org's id: the survivor of a merge keeps the one of the record that won."""
        return org_id(NAMES.get(record.object_type, "Task"), int(self._first_id(record.object_type, record.id)))

    def _first_id(self, kind: str, record_id: str) -> str:
        while (kind, record_id) in self.world.store.primaries:
            record_id = self.world.store.primaries[kind, record_id]
        return record_id

    def user(self, number: int | str | None) -> str:
        """Who did it: a seller by the number that the world's history bears, else the automated process."""
        owner = next((one for one in self.world.owners if str(one.user_id) == str(number)), None)
        return MACHINE if owner is None else org_id("User", int(owner.id))

    def owner(self, owner_id: Value) -> str:
        return org_id("User", int(owner_id)) if owner_id and owner_id.isdigit() else QUEUE

    def _person_of(self, lead: Record) -> Record | None:
        ids = self.world.store.linked("leads", lead.id, "contacts")
        return self.world.store.resolve("contacts", ids[0]) if ids else None

    def converted_at(self, lead: Record) -> int | None:
        """When somebody qualified it and its person was there to become a contact."""
        if lead.properties.get("hs_pipeline_stage") != "qualified-stage-id" or self._person_of(lead) is None:
            return None
        return lead.revisions("hs_pipeline_stage")[-1].at

    def contact_since(self, contact: Record) -> int | None:
        """From when on the person is a contact; None while it is a lead only."""
        if contact.source != "FORM":
            return contact.created_at
        store, instants = self.world.store, []
        for lead_id in store.linked("contacts", contact.id, "leads"):
            lead = store.resolve("leads", lead_id)
            instants += [at for at in [lead and self.converted_at(lead)] if at]
        for deal_id in store.linked("contacts", contact.id, "deals"):
            deal = store.resolve("deals", deal_id)
            instants += [deal.born] if deal else []
        return min(instants) if instants else None

    def _moved_at(self, record: Record | None) -> int:
        """When whoever points to this record was pointed at it: at its merge, or when a lead became it."""
        if record is None:
            return 0
        since = self.contact_since(record) if record.object_type == "contacts" and record.source == "FORM" else 0
        return max(self._merged_at.get(record.id, 0), since or 0)

    def _linked(self, record: Record, kind: str) -> Record | None:
        """The one that was linked first; of a deal's contacts the one that became a record first."""
        ids = self.world.store.linked(record.object_type, record.id, kind)
        if (record.object_type, kind) == ("deals", "contacts"):
            ids.sort(key=int)
        return self.world.store.resolve(kind, ids[0]) if ids else None

    def _ref(self, record: Record | None) -> str | None:
        return None if record is None else self.id_of(record)

    # rows

    def _base(self, record: Record, *moved: Record | None, created: int | None = None, stamp: int = 0) -> Row:
        modified = second(max(record.updated_at, stamp, *map(self._moved_at, moved), created or 0))
        lost = self.world.store.absorbed.get((record.object_type, record.id))
        ended = lost[1] if lost else record.archived_at
        return {
            "Id": self.id_of(record),
            "IsDeleted": ended is not None,
            "CreatedDate": second(created or record.created_at),
            "CreatedById": self.user(record.user),
            "LastModifiedDate": modified,
            "SystemModstamp": second(max(modified, ended or 0)),
        }

    def _all(self, kind: str) -> Iterator[Record]:
        """Living, archived, and those that were merged away."""
        yield from self.world.store.records[kind].values()
        yield from (lost[0] for (name, _), lost in self.world.store.absorbed.items() if name == kind)

    def _master(self, record: Record) -> str | None:
        """Who won the merge that this record lost."""
        kind = record.object_type
        lost = self.world.store.absorbed.get((kind, record.id))
        return org_id(NAMES[kind], int(self._first_id(kind, lost[2]))) if lost else None

    def _accounts(self) -> Iterator[Row]:
        for record in self._all("companies"):
            held = record.properties
            yield self._base(record) | {
                "MasterRecordId": self._master(record), "OwnerId": self.owner(held["hubspot_owner_id"]),
                "Name": held["name"], "Website": held["domain"], "Industry": held["industry"],
                "NumberOfEmployees": number(held["numberofemployees"]), "AnnualRevenue": number(held["annualrevenue"]),
                "BillingCity": held["city"], "BillingCountry": held["country"], "Segment__c": held["segment"],
                "Organisation_Number__c": held["organisation_number"],
                "Enriched_From__c": held.get("salesops_enrichment"),
                "BillingAddress": {"city": held["city"], "country": held["country"]},
            }  # fmt: skip

    def _contacts(self) -> Iterator[Row]:
        for record in self._all("contacts"):
            since = self.contact_since(record)
            if since is None:
                continue
            held, account = record.properties, self._linked(record, "companies")
            yield self._base(record, account, created=max(since, record.created_at)) | self._person(held) | {
                "MasterRecordId": self._master(record), "OwnerId": self.owner(held["hubspot_owner_id"]),
                "AccountId": self._ref(account), "MailingCity": held["city"], "MailingCountry": held["country"],
                "MailingAddress": {"city": held["city"], "country": held["country"]},
                "LeadSource": held["hs_analytics_source"], "Latest_Source__c": held["hs_latest_source"],
                "EmailBouncedReason": held.get("hs_email_hard_bounce_reason_enum"),
                "IsEmailBounced": bool(held.get("hs_email_hard_bounce_reason_enum")),
                "Lifecycle_Stage__c": held["lifecyclestage"], "Lead_Status__c": held["hs_lead_status"],
                "Campaign__c": held["campaign"],
            }  # fmt: skip

    def _person(self, held: dict[str, Value]) -> Row:
        first, last = held.get("firstname"), held.get("lastname")
        return {
            "FirstName": first, "LastName": last, "Name": f"{first} {last}",
            "Email": (held.get("email") or "").strip() or None,
            "Phone": held.get("phone"), "MobilePhone": held.get("mobilephone"), "Title": held.get("jobtitle"),
        }  # fmt: skip

    def _leads(self) -> Iterator[Row]:
        for record in self.world.store.records["leads"].values():
            held, person = record.properties, self._person_of(record)
            converted = self.converted_at(record)
            first, _, last = (held["hs_lead_name"] or "").partition(" ")
            values: dict[str, Value] = {"firstname": first, "lastname": last}
            if person is not None:  # a converted lead stays as it was
                values = {name: _value_at(person, name, converted) for name in person.properties}
            deal = self._linked(record, "deals") if converted else None
            stamps = [deal.born if deal else 0, person.updated_at if person and not converted else 0]
            yield self._base(record, person if converted else None, stamp=max(stamps)) | self._person(values) | {
                "MasterRecordId": None, "OwnerId": self.owner(held["hubspot_owner_id"]),
                "Company": values.get("company") or "unknown",
                "City": values.get("city"), "Country": values.get("country"), "LeadSource": held["hs_lead_source"],
                "Status": lead_status(held["hs_pipeline_stage"]),
                "Rating": (held["hs_lead_label"] or "").title() or None,
                "IsConverted": converted is not None, "ConvertedDate": self._day(converted),
                "ConvertedContactId": self._ref(person) if converted else None,
                "ConvertedAccountId": self._ref(self._linked(person, "companies")) if converted and person else None,
                "ConvertedOpportunityId": self._ref(deal),
                "Disqualification_Reason__c": held["hs_lead_disqualification_reason"], "Campaign__c": held["campaign"],
            }  # fmt: skip

    def _day(self, at: int | None) -> str | None:
        return None if at is None else self.world.calendar.local_date(at).isoformat()

    def _date(self, text: Value) -> str | None:
        """A date as typed: an instant's local day."""
        if text and len(text) == 10:
            return text
        return self._day(instant_of(text))

    def _opportunities(self) -> Iterator[Row]:
        for record in self._all("deals"):
            held, account, contact = (
                record.properties,
                self._linked(record, "companies"),
                self._linked(record, "contacts"),
            )
            stage, amount = DEAL_STAGES.get(held["dealstage"] or ""), number(held["amount"])
            share = 100 * float(stage.probability) if stage else 0.0
            moved = [change.at for change in record.revisions("dealstage")][1:]
            category = FORECASTS.get(held.get("hs_manual_forecast_category") or "", (None, None))
            yield self._base(record, account, contact) | {
                "OwnerId": self.owner(held["hubspot_owner_id"]), "AccountId": self._ref(account),
                "ContactId": self._ref(contact),
                "RecordTypeId": record_type(held["pipeline"]), "Name": held["dealname"],
                "StageName": stage.label if stage else held["dealstage"], "Amount": amount, "Probability": share,
                "ExpectedRevenue": None if amount is None else round(amount * share / 100, 2),
                "CloseDate": self._date(held["closedate"]), "Type": ORDER_TYPES.get(held["dealtype"] or ""),
                "NextStep": held.get("hs_next_step"),
                "LeadSource": held.get("hs_analytics_source"), "IsClosed": bool(stage and stage.is_closed),
                "IsWon": bool(stage and stage.is_won), "ForecastCategory": category[0],
                "ForecastCategoryName": category[1],
                "CurrencyIsoCode": held.get("deal_currency_code") or "SEK",
                "HasOpportunityLineItem": bool(self.world.store.linked("deals", record.id, "line_items")),
                "LastStageChangeDate": second(moved[-1]) if moved else None,
                "Loss_Reason__c": held.get("closed_lost_reason"),
                "Competitor__c": held.get("competitor"),
                "Contract_Term_Months__c": number(held.get("contract_term_months")),
                "Next_Step_Date__c": held.get("next_step_date"), "Legal_Terms_Date__c": held.get("legal_terms_date"),
                "Signed_Date__c": held.get("signed_date"), "ACV__c": number(held.get("hs_acv")),
                "TCV__c": number(held.get("hs_tcv")), "Campaign__c": held.get("campaign"),
            }  # fmt: skip

    def _line_items(self) -> Iterator[Row]:
        for record in self.world.store.records["line_items"].values():
            held, deal = record.properties, self._linked(record, "deals")
            if deal is None:
                continue
            yield self._base(record, deal) | {
                "OpportunityId": self.id_of(deal), "Product2Id": org_id("Product2", int(held["hs_product_id"] or 1)),
                "Name": held["name"], "Quantity": number(held["quantity"]), "ListPrice": number(held["price"]),
                "UnitPrice": number(held["price"]), "TotalPrice": number(held["amount"]),
                "Discount": number(held["hs_discount_percentage"]), "Unit_Discount__c": number(held["discount"]),
                "Unit_Cost__c": number(held["hs_cost_of_goods_sold"]), "CurrencyIsoCode": "SEK",
                "ServiceDate": self._date(held["hs_recurring_billing_start_date"]),
                "Term_Months__c": number(held["hs_term_in_months"]), "TCV__c": number(held["hs_tcv"]),
                "Billing_Frequency__c": held["recurringbillingfrequency"],
            }  # fmt: skip

    def _roles(self) -> Iterator[Row]:
        from sandbox.store import label_of

        for deal in self.world.store.records["deals"].values():
            linked = self.world.store.links["deals", "contacts"].get(deal.id, {})
            for contact_id, types in linked.items():
                contact = self.world.store.resolve("contacts", contact_id)
                if contact is None:
                    continue
                labels = sorted(label_of(kind) or "" for category, kind in types if category == "USER_DEFINED")
                row = self._base(deal, contact, created=deal.born)
                for label in labels or [None]:  # a role holds one label: who has two has two roles
                    yield row | {
                        "Id": _row_id("OpportunityContactRole", self.id_of(deal), self.id_of(contact), label),
                        "OpportunityId": self.id_of(deal), "IsDeleted": bool(deal.archived_at),
                        "ContactId": self.id_of(contact), "Role": label,
                        "IsPrimary": contact_id == min(linked, key=int),
                    }  # fmt: skip

    # activities

    def _activity(self, record: Record) -> Row:
        contact, deal, account = (self._linked(record, kind) for kind in ("contacts", "deals", "companies"))
        who, held = self._ref(contact), record.properties
        if contact is not None and self.contact_since(contact) is None:
            who = self._ref(self._linked(contact, "leads"))
        owner = self.owner(held["hubspot_owner_id"])
        is_own = record.user is None and record.source == "INTEGRATION"  # what the mailbox sync writes is the seller's
        return self._base(record, contact, deal, account) | {
            "OwnerId": owner, "WhoId": who, "WhatId": self._ref(deal or account), "AccountId": self._ref(account),
            "IsArchived": False, "CreatedById": owner if is_own else self.user(record.user),
        }  # fmt: skip

    def _tasks(self) -> Iterator[Row]:
        for kind in ("calls", "emails", "notes", "tasks"):
            for record in self.world.store.records[kind].values():
                held, happened = record.properties, instant_of(record.properties["hs_timestamp"]) or record.created_at
                is_done = kind != "tasks" or held["hs_task_status"] == "COMPLETED"
                begun = "In Progress" if kind == "tasks" and held["hs_task_status"] == "IN_PROGRESS" else "Not Started"
                done_at = instant_of(held["hs_task_completion_date"]) if kind == "tasks" else happened
                row = self._activity(record) | {
                    "Status": "Completed" if is_done else begun, "IsClosed": is_done, "Priority": "Normal",
                    "ActivityDate": self._day(happened), "TaskSubtype": "Task", "Type": None,
                    "CompletedDateTime": second(done_at) if is_done and done_at else None,
                    "Subject": held.get("hs_call_title") or held.get("hs_email_subject") or held.get("hs_task_subject"),
                    "Description": held.get("hs_task_body"),
                }  # fmt: skip
                if kind == "calls":
                    direction = (held["hs_call_direction"] or "").title()
                    row |= {"TaskSubtype": "Call", "Type": "Call", "CallType": direction}
                    row |= {"CallDurationInSeconds": (number(held["hs_call_duration"]) or 0) // 1000}
                    row["CallDisposition"] = "Connected" if held["hs_call_disposition"] == REACHED else "No answer"
                elif kind == "emails":
                    row |= {"TaskSubtype": "Email", "Type": "Email"}
                elif kind == "notes":
                    row |= {"Type": "Note"}
                yield row

    def _events(self) -> Iterator[Row]:
        for record in self.world.store.records["meetings"].values():
            held = record.properties
            starts, ends = instant_of(held["hs_meeting_start_time"]), instant_of(held["hs_meeting_end_time"])
            yield self._activity(record) | {
                "Subject": held["hs_meeting_title"], "StartDateTime": starts and second(starts),
                "EndDateTime": ends and second(ends),
                "DurationInMinutes": (ends - starts) // 60_000 if starts and ends else None, "IsAllDayEvent": False,
                "Type": "Meeting", "IsChild": False, "Meeting_Outcome__c": held["hs_meeting_outcome"],
            }  # fmt: skip

    def _messages(self) -> Iterator[Row]:
        for record in self.world.store.records["emails"].values():
            held, activity = record.properties, self._activity(record)
            incoming = held["hs_email_direction"] == "INCOMING_EMAIL"  # a mail that a seller forwarded is no answer
            status = {"EMAIL": "3", "FORWARDED_EMAIL": "4"}.get(held["hs_email_direction"] or "", "1")
            yield {name: activity[name] for name in types_of("EmailMessage") if name in activity} | {
                "Id": org_id("EmailMessage", int(record.id)), "ActivityId": self.id_of(record),
                "RelatedToId": activity["WhatId"], "Subject": held["hs_email_subject"], "Incoming": incoming,
                "FromAddress": held["hs_email_from_email"], "ToAddress": held["hs_email_to_email"], "Status": status,
                "IsBounced": held["hs_email_status"] == "BOUNCED", "HtmlBody": "<p>Thanks for the talk.</p>",
                "MessageDate": second(instant_of(held["hs_timestamp"]) or record.created_at),
            }  # fmt: skip

    # history

    def _shown(self, name: str, value: Value) -> Any:
        """A value as the org's history shows it."""
        if value in (None, ""):
            return None
        if name in ("dealstage", "hs_pipeline_stage"):
            stage = DEAL_STAGES.get(value or "")
            return stage.label if stage else lead_status(value) if name == "hs_pipeline_stage" else value
        if name in ("amount", "contract_term_months", "numberofemployees"):
            return number(value)
        if name == "hs_manual_forecast_category":
            return FORECASTS.get(value or "", (None, None))[1]
        if name == "hubspot_owner_id":
            return self.owner(value)
        if name == "pipeline":
            return record_type(value)
        if name == "closedate" or name.endswith("_date"):
            return self._date(value)
        return value

    def _field_history(self, kind: str) -> Iterator[Row]:
        """A row for each tracked change after the creation; the vendor writes one of names beside one of ids."""
        sobject, parent_field = HISTORIES[kind], f"{WITH_HISTORY[kind]}Id"
        for record in self.world.store.records[kind].values():
            since = self.contact_since(record) if kind == "contacts" else record.born
            if since is None:
                continue
            parent = self.id_of(record)
            for name, field in TRACKED[kind].items():
                changes = record.revisions(name)
                for place, change in enumerate(changes):
                    old = self._shown(name, changes[place - 1].value) if place else None
                    new = self._shown(name, change.value)
                    if change.at <= since or old == new:
                        continue
                    spoken = [(old, new)]
                    if field in ("Owner", "RecordType"):
                        spoken.append((self._name(old), self._name(new)))
                    for part, (was, became) in enumerate(spoken):
                        yield {
                            "Id": _row_id(sobject, parent, field, place, part), "IsDeleted": bool(record.archived_at),
                            parent_field: parent, "CreatedDate": second(change.at),
                            "CreatedById": self.user(change.user),
                            "Field": field, "DataType": "EntityId" if part < len(spoken) - 1 else "Text",
                            "OldValue": was, "NewValue": became,
                        }  # fmt: skip

    def _name(self, key: str | None) -> str | None:
        for owner in self.world.owners:
            if org_id("User", int(owner.id)) == key:
                return f"{owner.first_name} {owner.last_name}"
        return next((p.label for p in PIPELINES["deals"] if record_type(p.id) == key), None)

    def _snapshots(self) -> Iterator[Row]:
        """OpportunityHistory: the whole of stage, amount, date and forecast each time one of them changed."""
        names = ("dealstage", "amount", "closedate", "hs_manual_forecast_category")
        for record in self.world.store.records["deals"].values():
            revisions = {name: record.revisions(name) for name in names}
            instants = {record.born: record.user}
            instants |= {change.at: change.user for held in revisions.values() for change in held}
            for at in sorted(instants):
                held = {name: _at(changes, at) for name, changes in revisions.items()}
                stage = DEAL_STAGES.get(held["dealstage"] or "")
                category = FORECASTS.get(held["hs_manual_forecast_category"] or "", (None, None))
                parent = self.id_of(record)
                yield {
                    "Id": _row_id("OpportunityHistory", parent, at), "IsDeleted": bool(record.archived_at),
                    "OpportunityId": parent, "CreatedDate": second(at), "SystemModstamp": second(at),
                    "CreatedById": self.user(instants[at]), "StageName": stage.label if stage else held["dealstage"],
                    "Amount": number(held["amount"]), "CloseDate": self._date(held["closedate"]),
                    "ForecastCategory": category[0], "CurrencyIsoCode": "SEK",
                    "Probability": 100 * float(stage.probability) if stage else 0.0,
                }  # fmt: skip

    # people and setup

    def _users(self) -> Iterator[Row]:
        stamps = {"CreatedDate": SETUP_AT, "LastModifiedDate": SETUP_AT, "SystemModstamp": SETUP_AT}
        yield stamps | {
            "Id": MACHINE, "Username": "autoproc@practice.example", "LastName": "Automated Process",
            "Name": "Automated Process",
            "Email": "autoproc@practice.example", "IsActive": True, "UserType": "AutomatedProcess",
        }  # fmt: skip
        for owner in self.world.owners:
            yield {
                "Id": org_id("User", int(owner.id)), "Username": owner.email, "FirstName": owner.first_name,
                "LastName": owner.last_name, "Name": f"{owner.first_name} {owner.last_name}", "Email": owner.email,
                "IsActive": owner.archived_at is None, "UserType": "Standard", "TimeZoneSidKey": self.world.zone,
                "UserRoleId": org_id("UserRole", int(owner.team_id)), "CreatedDate": second(owner.created_at),
                "LastModifiedDate": second(owner.updated_at), "SystemModstamp": second(owner.updated_at),
            }  # fmt: skip

    def _setup(self, sobject: str) -> Iterator[Row]:
        """What an administrator sets up: never changed by the practice company."""
        for place, values in enumerate(SETUP_ROWS[sobject](self.world)):
            stamps = {
                "CreatedDate": SETUP_AT,
                "LastModifiedDate": SETUP_AT,
                "SystemModstamp": SETUP_AT,
                "IsDeleted": False,
            }
            yield {"Id": org_id(sobject, 100 + place)} | stamps | values


def _row_id(sobject: str, *parts: object) -> str:
    """An id for a row that is no record of the world: the same for the same parts."""
    return org_id(sobject, int(hashlib.md5(":".join(map(str, parts)).encode()).hexdigest()[:15], 16))


def _value_at(record: Record, name: str, at: int | None) -> Value:
    return record.properties.get(name) if at is None else _at(record.revisions(name), at)


def _at(changes: list[Any], at: int) -> Value:
    return next((change.value for change in reversed(changes) if change.at <= at), None)
