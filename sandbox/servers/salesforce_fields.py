"""What the practice org's objects are made of, one compact line each, and how they are described. Data only.

`name:type[:picklist values by |]`; `=` in front marks a formula or what the vendor counts, `<Compound` behind the type
a part of a compound field. Names ending in __c are the practice company's own.
"""

from __future__ import annotations

from functools import cache
from typing import Any

_SYSTEM = "Id:id IsDeleted:boolean CreatedDate:datetime CreatedById:reference LastModifiedDate:datetime "
_SYSTEM += "SystemModstamp:datetime "
_SETUP = "Id:id CreatedDate:datetime LastModifiedDate:datetime SystemModstamp:datetime "
_HISTORY = "Id:id IsDeleted:boolean CreatedDate:datetime CreatedById:reference Field:picklist DataType:picklist "
_HISTORY += "OldValue:anyType NewValue:anyType "
_PERSON = "FirstName:string<Name LastName:string<Name Name:string Email:email Phone:phone MobilePhone:phone "
_PERSON += "Title:string "
_FIELDS = {
    "Account": _SYSTEM + "MasterRecordId:reference OwnerId:reference Name:string Website:url Industry:picklist "
    "NumberOfEmployees:int AnnualRevenue:currency BillingStreet:textarea<BillingAddress "
    "BillingCity:string<BillingAddress "
    "BillingCountry:string<BillingAddress BillingAddress:address Phone:phone ParentId:reference "
    "Segment__c:picklist:Enterprise|Mid-market|SMB "
    "Organisation_Number__c:string "
    "Enriched_From__c:textarea =LastActivityDate:date LastViewedDate:datetime",
    "Contact": _SYSTEM + "MasterRecordId:reference OwnerId:reference AccountId:reference " + _PERSON
    + "MailingCity:string<MailingAddress MailingCountry:string<MailingAddress MailingAddress:address "
    "LeadSource:picklist "
    "EmailBouncedReason:string =IsEmailBounced:boolean Lifecycle_Stage__c:picklist Lead_Status__c:picklist "
    "Latest_Source__c:picklist Campaign__c:string =LastActivityDate:date",
    "Lead": _SYSTEM + "MasterRecordId:reference OwnerId:reference " + _PERSON + "Company:string City:string<Address "
    "Country:string<Address Address:address LeadSource:picklist Status:picklist Rating:picklist IsConverted:boolean "
    "ConvertedDate:date ConvertedAccountId:reference ConvertedContactId:reference ConvertedOpportunityId:reference "
    "Disqualification_Reason__c:string Campaign__c:string",
    "Opportunity": _SYSTEM + "OwnerId:reference AccountId:reference ContactId:reference RecordTypeId:reference "
    "Name:string "
    "StageName:picklist Amount:currency Probability:percent =ExpectedRevenue:currency CloseDate:date Type:picklist "
    "NextStep:string LeadSource:picklist =IsClosed:boolean =IsWon:boolean ForecastCategory:picklist "
    "ForecastCategoryName:picklist CurrencyIsoCode:picklist HasOpportunityLineItem:boolean "
    "LastStageChangeDate:datetime "
    "Description:textarea Loss_Reason__c:string Competitor__c:string Contract_Term_Months__c:double "
    "Next_Step_Date__c:date Legal_Terms_Date__c:date Signed_Date__c:date ACV__c:currency TCV__c:currency "
    "Campaign__c:string",
    "OpportunityHistory": "Id:id IsDeleted:boolean CreatedDate:datetime CreatedById:reference SystemModstamp:datetime "
    "OpportunityId:reference StageName:picklist Amount:currency Probability:percent CloseDate:date "
    "ForecastCategory:picklist "
    "CurrencyIsoCode:picklist PrevAmount:currency PrevCloseDate:date",
    "OpportunityFieldHistory": _HISTORY + "OpportunityId:reference",
    "AccountHistory": _HISTORY + "AccountId:reference",
    "ContactHistory": _HISTORY + "ContactId:reference",
    "LeadHistory": _HISTORY + "LeadId:reference",
    "OpportunityLineItem": _SYSTEM + "OpportunityId:reference Product2Id:reference Name:string Quantity:double "
    "ListPrice:currency UnitPrice:currency TotalPrice:currency Discount:percent ServiceDate:date "
    "CurrencyIsoCode:picklist "
    "Term_Months__c:double Billing_Frequency__c:picklist Unit_Cost__c:currency Unit_Discount__c:currency "
    "TCV__c:currency",
    "OpportunityContactRole": _SYSTEM + "OpportunityId:reference ContactId:reference Role:picklist IsPrimary:boolean",
    "Product2": _SYSTEM + "Name:string ProductCode:string Family:picklist IsActive:boolean",
    "Task": _SYSTEM + "OwnerId:reference WhoId:reference WhatId:reference AccountId:reference Subject:combobox "
    "Status:picklist IsClosed:boolean Priority:picklist ActivityDate:date Type:picklist TaskSubtype:picklist "
    "CallType:picklist CallDurationInSeconds:int CallDisposition:string CompletedDateTime:datetime IsArchived:boolean "
    "Description:textarea",
    "Event": _SYSTEM + "OwnerId:reference WhoId:reference WhatId:reference AccountId:reference Subject:combobox "
    "StartDateTime:datetime EndDateTime:datetime DurationInMinutes:int IsAllDayEvent:boolean Type:picklist "
    "IsChild:boolean IsArchived:boolean Meeting_Outcome__c:picklist",
    "EmailMessage": _SYSTEM + "ActivityId:reference RelatedToId:reference Subject:string FromAddress:email "
    "ToAddress:string Incoming:boolean Status:picklist:0|1|2|3|4|5 IsBounced:boolean MessageDate:datetime "
    "HtmlBody:textarea",
    "Campaign": _SYSTEM + "Name:string Type:picklist Status:picklist IsActive:boolean StartDate:date OwnerId:reference",
    "CampaignMember": _SYSTEM + "CampaignId:reference ContactId:reference LeadId:reference Status:picklist",
    "User": _SETUP + "Username:string " + "FirstName:string<Name LastName:string<Name Name:string Email:email "
    "IsActive:boolean UserType:picklist UserRoleId:reference ManagerId:reference ProfileId:reference "
    "TimeZoneSidKey:picklist",
    "UserRole": "Id:id LastModifiedDate:datetime SystemModstamp:datetime Name:string ParentRoleId:reference",
    "OpportunityStage": _SETUP + "MasterLabel:string ApiName:string SortOrder:int IsActive:boolean IsClosed:boolean "
    "IsWon:boolean DefaultProbability:double ForecastCategory:picklist ForecastCategoryName:picklist",
    "LeadStatus": _SETUP + "MasterLabel:string ApiName:string SortOrder:int IsDefault:boolean IsConverted:boolean",
    "RecordType": _SETUP + "Name:string DeveloperName:string SobjectType:picklist IsActive:boolean",
    "CurrencyType": _SETUP + "IsoCode:picklist ConversionRate:double DecimalPlaces:int IsActive:boolean "
    "IsCorporate:boolean",
    "DatedConversionRate": _SETUP + "IsoCode:picklist StartDate:date NextStartDate:date ConversionRate:double",
    "Organization": _SETUP + "Name:string DefaultLocaleSidKey:picklist TimeZoneSidKey:picklist "
    "DefaultCurrencyIsoCode:picklist InstanceName:string IsSandbox:boolean",
}  # fmt: skip
ONLY_MULTI_CURRENCY = ("CurrencyType", "DatedConversionRate")
PREFIXES = {
    "Account": "001", "Contact": "003", "Lead": "00Q", "Opportunity": "006", "OpportunityHistory": "008",
    "OpportunityFieldHistory": "017", "AccountHistory": "017", "ContactHistory": "017", "LeadHistory": "017",
    "OpportunityLineItem": "00k", "OpportunityContactRole": "00K", "Product2": "01t", "Task": "00T", "Event": "00U",
    "EmailMessage": "02s", "Campaign": "701", "CampaignMember": "00v", "User": "005", "UserRole": "00E",
    "OpportunityStage": "01J", "LeadStatus": "01J", "RecordType": "012", "CurrencyType": "01L",
    "DatedConversionRate": "04w", "Organization": "00D", "Group": "00G",
}  # fmt: skip
SOBJECTS = tuple(_FIELDS)
_NEVER_WRITTEN = (
    "Id", "IsDeleted", "CreatedDate", "CreatedById", "LastModifiedDate", "SystemModstamp", "MasterRecordId",
    "LastViewedDate",
)  # fmt: skip
_NOT_FILTERABLE = (
    "OldValue",
    "NewValue",
    "BillingAddress",
    "MailingAddress",
    "Address",
    "HtmlBody",
    "Description",
    "Enriched_From__c",
)


@cache
def types_of(sobject: str) -> dict[str, str]:
    """Field name -> type, of every field that can be asked for."""
    return {spec.lstrip("=").split(":")[0]: spec.split(":")[1].split("<")[0] for spec in _FIELDS[sobject].split()}


@cache
def describe(sobject: str) -> dict[str, Any]:
    """The vendor's description of one object."""
    return {
        "name": sobject,
        "label": sobject,
        "keyPrefix": PREFIXES[sobject],
        "queryable": True,
        "replicateable": sobject not in ("OpportunityFieldHistory", "Organization"),
        "retrieveable": True,
        "custom": False,
        "fields": [_field(spec) for spec in _FIELDS[sobject].split()],
        "recordTypeInfos": [],
        "childRelationships": [],
    }


def _field(spec: str) -> dict[str, Any]:
    name, kind, *values = spec.lstrip("=").split(":")
    kind, _, compound = kind.partition("<")
    options = values[0].split("|") if values else []
    return {
        "name": name,
        "label": name.removesuffix("__c").replace("_", " "),
        "type": kind,
        "length": 18 if kind in ("id", "reference") else 255 if kind in ("string", "picklist", "email") else 0,
        "precision": 18 if kind in ("currency", "double", "percent") else 0,
        "scale": 2 if kind in ("currency", "double", "percent") else 0,
        "nillable": name != "Id",
        "custom": name.endswith("__c"),
        "calculated": spec.startswith("="),
        "filterable": name not in _NOT_FILTERABLE,
        "sortable": name not in _NOT_FILTERABLE,
        "groupable": False,
        "updateable": not spec.startswith("=") and kind != "address" and name not in _NEVER_WRITTEN,
        "referenceTo": [],
        "relationshipName": None,
        "compoundFieldName": compound or None,
        "picklistValues": [
            {"value": value, "label": value, "active": True, "defaultValue": False} for value in options
        ],
        "restrictedPicklist": name == "Segment__c",
        "soapType": "xsd:string",
        "encrypted": False,
    }


def org_id(sobject: str, number: int) -> str:
    """An 18 character id: prefix, the practice record's number in base 36 (so that order holds), the case checksum."""
    digits, rest = "", number
    while rest:
        rest, digit = divmod(rest, 36)
        digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[digit] + digits
    short = PREFIXES[sobject] + digits.rjust(12, "0")
    tail = "".join(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"[
            sum(1 << place for place, letter in enumerate(short[at : at + 5]) if letter.isupper())
        ]
        for at in (0, 5, 10)
    )
    return short + tail
