"""Words to make Nordic people and companies from. Data only; every person here is made up by combination."""

FIRST_NAMES = (
    "Anna Erik Karin Lars Maria Johan Sofia Anders Emma Nils Ingrid Olav Astrid Henrik Freja Mikkel Aino Juhani "
    "Elina Mats Sara Oskar Linnea Gustav Hanna Magnus Ida Jonas Kaisa Petra Signe Tobias Ebba Viktor Maja Axel "
    "Liv Sverre Tiina Ville Åsa Björn Märta Søren Jørgen Päivi Elsa Hugo Alva Wilma"
).split()
LAST_NAMES = (
    "Andersson Johansson Karlsson Nilsson Eriksson Larsson Olsson Persson Svensson Gustafsson Hansen Olsen Berg "
    "Haugen Dahl Lund Nielsen Jensen Christensen Møller Korhonen Virtanen Mäkinen Nieminen Laine Lindqvist Sandberg "
    "Holm Sjögren Öberg Strand Björk Ek Fransson Wallin Nyström Engström Hellström Åkesson Bergman Forsberg Lindholm"
).split()
COMPANY_FIRST = (
    "Nord Fjell Skog Berg Sund Havs Ström Älv Norr Söder Väst Öst Lång Stor Ny Gran Björk Ek Sten Järn Malm Vind Sol "
    "Måne Stjärn Fisk Elg Ugle Ravn Hjort Fjord Tind Dal Mark Lund Holm Vik Näs Strand Bro"
).split()
COMPANY_SECOND = (
    "kraft teknik verk data logistik bygg mekanik energi pack transport system handel miljö marin skog medicin "
    "hälsa plast stål papper foder media finans frakt livs invest elektro solutions drift service"
).split()
COUNTRIES = (
    ("Sweden", "se", "+46", "AB", ("Stockholm", "Göteborg", "Malmö", "Uppsala", "Västerås", "Linköping")),
    ("Norway", "no", "+47", "AS", ("Oslo", "Bergen", "Trondheim", "Stavanger")),
    ("Denmark", "dk", "+45", "A/S", ("København", "Aarhus", "Odense")),
    ("Finland", "fi", "+358", "Oy", ("Helsinki", "Tampere", "Turku", "Oulu")),
)
INDUSTRIES = (
    "COMPUTER_SOFTWARE LOGISTICS_AND_SUPPLY_CHAIN MACHINERY CONSTRUCTION RENEWABLES_ENVIRONMENT FINANCIAL_SERVICES "
    "HOSPITAL_HEALTH_CARE RETAIL FOOD_PRODUCTION MARITIME PAPER_FOREST_PRODUCTS"
).split()
JOB_TITLES = (
    "CEO",
    "CFO",
    "CTO",
    "Head of Operations",
    "IT Manager",
    "Inköpschef",
    "Supply Chain Manager",
    "Säljchef",
    "Projektledare",
    "Digital Lead",
    "Controller",
    "Plant Manager",
)
PRODUCTS = (
    ("Flow Planner", 48_000),
    ("Flow Analytics", 72_000),
    ("Flow Warehouse", 96_000),
    ("Flow Connect", 36_000),
    ("Flow Enterprise", 240_000),
)
LOSS_REASONS = (
    "Price",
    "No decision",
    "Competitor",
    "Missing feature",
    "Timing",
    "Champion left",
    "No budget",
    "Other",
)
NEXT_STEPS = ("Book demo", "Send proposal", "Follow up call", "Security review", "Legal review", "Meet the CFO", "")
COMPETITORS = ("", "", "Planwise", "Opsmate", "Cargolog", "In-house build")
CAMPAIGNS = {
    "PAID_SEARCH": "Search Nordics",
    "PAID_SOCIAL": "Social lookalikes",
    "EMAIL_MARKETING": "Planner newsletter",
    "ORGANIC_SEARCH": "Guide: planning 101",
    "REFERRALS": "Partner referrals",
    "OFFLINE": "Logistics fair",
    "DIRECT_TRAFFIC": "Website",
}
PLAIN = str.maketrans("åäöøæÅÄÖØéü", "aaooaAAOOeu")


def plain(text: str) -> str:
    """Lower case ASCII, for addresses."""
    return text.translate(PLAIN).lower().replace(" ", "")
