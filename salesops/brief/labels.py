"""Nouns, and labels of stages, metrics, rules and verdicts, English and Swedish. Names of people are never here."""

from __future__ import annotations

Pair = tuple[str, str]

NOUNS: dict[str, tuple[tuple[str, str], tuple[str, str]]] = {
    "deal": (("deal", "deals"), ("affär", "affärer")),
    "open_deal": (("open deal", "open deals"), ("öppen affär", "öppna affärer")),
    "series": (("series", "series"), ("serie", "serier")),
    "week": (("week", "weeks"), ("vecka", "veckor")),
    "quarter": (("quarter", "quarters"), ("kvartal", "kvartal")),
    "source": (("source", "sources"), ("källa", "källor")),
    "stage": (("stage", "stages"), ("steg", "steg")),
    "day": (("day", "days"), ("dag", "dagar")),
    "team": (("team", "teams"), ("team", "team")),
    "seller": (("seller", "sellers"), ("säljare", "säljare")),
    "lead": (("lead", "leads"), ("lead", "leads")),
    "forecast_day": (("forecast day", "forecast days"), ("prognosdag", "prognosdagar")),
}

LABELS: dict[str, dict[str, Pair]] = {
    "metric": {
        "win_rate": ("Win rate", "Vinstandel"),
        "bookings": ("Bookings", "Bokat"),
        "pipeline_created": ("Pipeline created", "Skapad pipeline"),
        "response_within_sla": ("Leads answered in time", "Leads besvarade i tid"),
        "sales_cycle": ("Sales cycle", "Säljcykel"),
        "lead_to_sao": ("Leads accepted within 28 days", "Leads accepterade inom 28 dagar"),
        "deal_size": ("Deal size", "Affärsstorlek"),
        "win_within_90_days": ("Won within 90 days", "Vunna inom 90 dagar"),
        "stage_conversion": ("Moving on from a stage", "Vidare från ett steg"),
        "churn": ("Churn", "Tappade kunder"),
    },
    "dimension": {
        "company": ("the company", "företaget"),
        "team": ("team", "team"),
        "owner": ("seller", "säljare"),
        "segment": ("segment", "segment"),
        "source": ("lead source", "leadkälla"),
        "product": ("product", "produkt"),
        "stage": ("stage", "steg"),
    },
    "member": {"all": ("All", "Alla"), "unknown": ("unknown", "okänd")},
    "stage": {
        "Qualified": ("Qualified", "Kvalificerad"),
        "Discovery": ("Discovery", "Behovsanalys"),
        "Proposal": ("Proposal", "Offert"),
        "Negotiation": ("Negotiation", "Förhandling"),
    },
    "source": {
        "hubspot": ("HubSpot", "HubSpot"),
        "salesforce": ("Salesforce", "Salesforce"),
        "pipedrive": ("Pipedrive", "Pipedrive"),
        "spreadsheets": ("Spreadsheets", "Kalkylblad"),
        "exchange_rates": ("Exchange rates", "Växelkurser"),
        "registries": ("Company registers", "Företagsregister"),
    },
    "verdict": {
        "confirmed": ("Confirmed", "Bekräftat"),
        "check_first": ("Check first", "Kontrollera först"),
        "within_noise": ("Within noise", "Inom bruset"),
        "stale": ("Stale", "Inaktuell"),
        "too_few": ("Too few to tell", "För få för att säga"),
        "too_early": ("Too early to tell", "För tidigt att säga"),
    },
    "change": {
        "created": ("Created", "Skapat"),
        "pulled_in": ("Pulled in", "Tidigarelagt"),
        "pushed_in": ("Re-dated in", "Omdaterat hit"),
        "reopened": ("Reopened", "Återöppnat"),
        "transferred_in": ("Transferred in", "Överfört hit"),
        "restored": ("Restored", "Återställt"),
        "increased": ("Raised", "Höjt"),
        "decreased": ("Lowered", "Sänkt"),
        "fx": ("Currency", "Valuta"),
        "won": ("Won", "Vunnet"),
        "lost": ("Lost", "Förlorat"),
        "pushed_out": ("Pushed out", "Senarelagt"),
        "pulled_out": ("Pulled out", "Tidigarelagt härifrån"),
        "merged": ("Merged", "Sammanslaget"),
        "removed": ("Removed", "Borttaget"),
        "transferred_out": ("Transferred out", "Överfört härifrån"),
    },
    "rule": {
        "R01": ("Fill in what is missing for this stage", "Fyll i det som saknas för steget"),
        "R02": (
            "Write the next step and its date, or book the meeting",
            "Skriv nästa steg med datum, eller boka mötet",
        ),
        "R03": (
            "Agree a new close date with the buyer, or close the deal",
            "Kom överens med köparen om ett nytt slutdatum, eller stäng affären",
        ),
        "R04": ("Enter the amount you expect to sell for", "Ange beloppet du räknar med att sälja för"),
        "R08": (
            "Correct the close date, signed date or contract term",
            "Rätta slutdatum, signeringsdatum eller avtalstid",
        ),
        "R09": (
            "Correct the close date: it lies before the deal's creation",
            "Rätta slutdatumet: det ligger före affärens skapande",
        ),
        "R10": (
            "Give the loss reason, and the competitor if it was one",
            "Ange förlustorsaken, och konkurrenten om det var en",
        ),
        "R16": ("Give the deal to an active seller", "Ge affären till en aktiv säljare"),
        "R17": (
            "Link the deal to its account, and mark one as primary",
            "Koppla affären till sitt företag, och märk ett som primärt",
        ),
    },
    "loss": {
        "price": ("price", "pris"),
        "competitor": ("competitor", "konkurrent"),
        "timing": ("timing", "tidpunkt"),
        "no_decision": ("no decision", "inget beslut"),
        "product": ("product", "produkt"),
        "other": ("other", "annat"),
        "unknown": ("unknown", "okänd"),
    },
    "note": {
        "under 8 origins: range untested": (
            "under 8 forecast days so far: the range is untested",
            "under 8 prognosdagar hittills: intervallet är oprövat",
        ),
        "no past period to learn from": ("no past period to learn from", "ingen tidigare period att lära av"),
        "nothing to learn from yet": ("nothing to learn from yet", "ännu inget att lära av"),
    },
    "reason": {  # by how it begins or ends: the engine's own words
        "bulk edit": ("some of it was changed in one go (bulk edit)", "en del ändrades på en gång (massändring)"),
        "silent": ("its source was silent for a time", "dess källa var tyst en tid"),
        "season": (
            "it may be the season: less than two years are known",
            "det kan vara säsongen: mindre än två år är kända",
        ),
        "stage": ("a stage came into or went out of use", "ett steg togs i bruk eller ur bruk"),
    },
}
