"""The levels on which two records are compared, field by field: words that SQL, weights and explanations share, and the
limits at which a level, or what is read of a text, begins and ends.
"""

from __future__ import annotations

NAMESAKES_FEWEST, NAMESAKES_MOST = 1e-6, 1e2
"""Expected people of one name, by chance: first name count x last name count / contacts. Bins are half decades."""

NAMESAKES = [f"10^{exponent / 2:g}" for exponent in range(-12, 5)]

LIMITS: dict[str, float] = {
    "text_limit": 80,  # letters of a text that are read
    "address_limit": 320,  # a longer text is no address; a cut one would be somebody else's
    "phone_shortest": 6,
    "phone_longest": 15,
    "phone_with_code": 10,  # so many digits that begin with the home country's code: it was written without its plus
    "local_part_shortest": 5,  # letters before the @ that say something without the domain
    "near_names": 0.93,  # Jaro-Winkler
    "slip_jaro": 0.75,  # what one edit leaves of Jaro's similarity, in words of four letters and more
    "near_companies": 0.93,
    "alike_companies": 0.85,
    "shared_mailbox_names": 3,  # more last names than this on one address: shared
    "own_phone_people": 2,
    "switchboard_people": 5,
    "typo_share": 0.02,  # a domain that is this much rarer than the mail provider one letter away is a typing error
    "rare_name": 3,  # companies of one name, and companies that begin with one word
    "name_of_several": 8,
    "common_name": 20,
    "rare_word": 4,
    "word_of_several": 12,
    "common_word": 40,
    "namesakes_fewest": NAMESAKES_FEWEST,
    "namesakes_most": NAMESAKES_MOST,
}

CONTACT_LEVELS: dict[str, list[str]] = {
    "email": [
        "missing",
        "same mailbox",
        "same shared mailbox",
        "same but for a number",
        "one letter apart",
        "domain a letter apart",
        "same before the @",
        "another mailbox at the company",
        "another company",
        "two private",
        "private and company",
    ],
    "phone": [
        "missing",
        "same",
        "same, a few people",
        "same switchboard",
        "one digit apart",
        "one is a switchboard",
        "different",
    ],
    "first_name": [
        "missing",
        "same",
        "same given name",
        "sounds the same",
        "nickname",
        "initial",
        "near",
        "one given name shared",
        "different, same initial",
        "different",
        "neither is a person",
        "one is not a person",
    ],
    "last_name": ["missing", "same", "sounds the same", "near", "one part shared", "different"],
    "company": [
        "missing",
        "same record",
        "same name",
        "name is the domain",
        "same domain",
        "near",
        "one begins the other",
        "same first word",
        "different",
    ],
    "title": ["missing", "same", "different"],
    "city": ["missing", "same", "different"],
    "namesakes": ["names differ", "namesake at the company", *NAMESAKES],
    "cross_evidence": ["no address", "nothing", "last name", "given name", "initial and last name", "both names"],
}

COMPANY_LEVELS: dict[str, list[str]] = {
    "name": [
        "missing",
        "same",
        "same, another country",
        "same, one names a country",
        "same single word",
        "same words",
        "one is the first word",
        "one begins the other",
        "one letter apart",
        "near",
        "same first word",
        "alike",
        "different",
    ],
    "domain": [
        "missing",
        "one missing",
        "name is the domain",
        "same",
        "same but for the ending",
        "one letter apart",
        "different",
    ],
    "legal_id": ["missing", "same", "different"],
    "phone": ["missing", "same", "different"],
    "namesakes": [
        "names differ",
        "a rare name",
        "a name of several",
        "a common name",
        "a very common name",
        "a rare word",
        "a word of several",
        "a common word",
        "a very common word",
    ],
    "place": ["missing", "same city", "same country", "another city", "another country"],
}
