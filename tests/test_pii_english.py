"""What customers of banks, clinics, insurers and shops write in English, and what only looks like it."""

from __future__ import annotations

import pytest

from jangin.pii import Detector

DETECTOR = Detector(presidio=False)


def found(text: str) -> list[str]:
    return [f"{span.entity}={text[span.start : span.end]}" for span in DETECTOR.find(text)]


BANKING = [
    ("Please set up direct deposit: routing number 021000021, account number 000123456789.",
     ["US_BANK_NUMBER=021000021", "US_BANK_NUMBER=000123456789"]),
    ("ABA 122105155 / acct 4478120093", ["US_BANK_NUMBER=122105155", "US_BANK_NUMBER=4478120093"]),
    ("The routing on my checks reads 091000019, is that still right for wires?", ["US_BANK_NUMBER=091000019"]),
    ("Acct. no.: 99-8812-0034 was charged a monthly fee twice", ["US_BANK_NUMBER=99-8812-0034"]),
    ("I moved money from savings to checking 338291047755 and it vanished", ["US_BANK_NUMBER=338291047755"]),
    ("Account #7781 2290 4416 shows a hold", ["US_BANK_NUMBER=7781 2290 4416"]),
    ("My account with you is 61283344 and I want to close it", ["US_BANK_NUMBER=61283344"]),
    ("Can you send the refund to IBAN GB29 NWBK 6016 1331 9268 19?", ["IBAN_CODE=GB29 NWBK 6016 1331 9268 19"]),
    ("Card 4111-1111-1111-1111 was declined at the pump", ["CREDIT_CARD=4111-1111-1111-1111"]),
    ("social security number 536 90 4399 for the loan application", ["US_SSN=536 90 4399"]),
    ("My social is 536904399, please pull my credit", ["US_SSN=536904399"]),
    ("SSN on file: 536.90.4399", ["US_SSN=536.90.4399"]),
    ("SS# 536-90-4399 and my wife's is 531-22-8876", ["US_SSN=536-90-4399", "US_SSN=531-22-8876"]),
]  # fmt: skip

LICENCES_AND_PASSPORTS = [
    ("California driver's license Y4829175", ["US_DRIVER_LICENSE=Y4829175"]),
    ("DL# F255-921-94-094-0 issued in Florida", ["US_DRIVER_LICENSE=F255-921-94-094-0"]),
    ("My New Jersey DL is S1234 56789 01234 and the scanner refuses it", ["US_DRIVER_LICENSE=S1234 56789 01234"]),
    ("For the rental I used my driving licence, MORGA657054SM9IJ", ["US_DRIVER_LICENSE=MORGA657054SM9IJ"]),
    ("Driver license number (Texas): 28391745, expires 04/2027", ["US_DRIVER_LICENSE=28391745"]),
    ("license no. K00-12-3456 from Kansas DMV", ["US_DRIVER_LICENSE=K00-12-3456"]),
    ("The DMV printed WDL4B83J92K1 on my new driver's license", ["US_DRIVER_LICENSE=WDL4B83J92K1"]),
    ("US passport A12345678 is stuck at the embassy", ["PASSPORT=A12345678"]),
    ("my passport number is 533401928, valid until 2031", ["PASSPORT=533401928"]),
    ("German passport: C01X00T47", ["PASSPORT=C01X00T47"]),
    ("French passport no 12AB34567", ["PASSPORT=12AB34567"]),
    ("Indian passport (K1234567) attached", ["PASSPORT=K1234567"]),
]  # fmt: skip

HEALTH = [
    ("MRN 00482917, seen on Tuesday", ["MEDICAL_RECORD_NUMBER=00482917"]),
    ("Medical record no. 12-34-56 was merged with mine", ["MEDICAL_RECORD_NUMBER=12-34-56"]),
    ("chart # 88213 belongs to somebody else", ["MEDICAL_RECORD_NUMBER=88213"]),
    ("Patient ID P-448291 needs a refill", ["MEDICAL_RECORD_NUMBER=P-448291"]),
    ("Her hospital number is RX4482910", ["MEDICAL_RECORD_NUMBER=RX4482910"]),
    ("Patient number: 7741 902", ["MEDICAL_RECORD_NUMBER=7741 902"]),
    ("My NHS number is 943-476-5919", ["UK_NHS=943-476-5919"]),
    ("NHS no. 9434765919, registered at the surgery in Leeds", ["UK_NHS=9434765919"]),
    ("The GP referral letter quotes 943 476 5919 at the top", ["UK_NHS=943 476 5919"]),
    ("DOB 02-14-88, allergic to penicillin", ["DATE_OF_BIRTH=02-14-88"]),
    ("date of birth is the 14th of February 1988", ["DATE_OF_BIRTH=14th of February 1988"]),
    ("my son, born March 3rd, 2019, needs his jabs", ["DATE_OF_BIRTH=March 3rd, 2019"]),
    ("Birthdate (mm/dd/yyyy): 12/01/1974", ["DATE_OF_BIRTH=12/01/1974"]),
]  # fmt: skip

ADDRESSES = [
    ("Mail it to 12 Elm St\nApt 4\nSpringfield, IL 62704", ["LOCATION=12 Elm St\nApt 4\nSpringfield, IL 62704"]),
    ("My address is PO Box 442, Truth or Consequences, NM 87901.",
     ["LOCATION=PO Box 442, Truth or Consequences, NM 87901"]),
    ("Return to Cedar Cottage, Mill Lane, Ashby, LE65 1AA", ["LOCATION=Cedar Cottage, Mill Lane, Ashby, LE65 1AA"]),
    ("lives at Flat 3/2, 18 Hyndland Road, Glasgow G12 8QQ, UK now",
     ["LOCATION=Flat 3/2, 18 Hyndland Road, Glasgow G12 8QQ, UK"]),
    ("living at 12 Ardmore Close, Galway, H91 X2Y3", ["LOCATION=12 Ardmore Close, Galway, H91 X2Y3"]),
    ("Unit 4/17 Kent Street, Sydney NSW 2000", ["LOCATION=Unit 4/17 Kent Street, Sydney NSW 2000"]),
    ("45 King St W, Toronto, ON M5H 1J8", ["LOCATION=45 King St W, Toronto, ON M5H 1J8"]),
    ("i live at 742 evergreen terrace springfield il 62704",
     ["LOCATION=742 evergreen terrace springfield il 62704"]),
    ("cheque to 5 rue Saint-Jacques, 75005 Paris, France", ["LOCATION=5 rue Saint-Jacques, 75005 Paris, France"]),
    ("Kastanienallee 82, 10435 Berlin", ["LOCATION=Kastanienallee 82, 10435 Berlin"]),
    ("Unit 1201, Bldg 103, 27 Dosan-daero 45-gil, Gangnam-gu, Seoul 06021",
     ["LOCATION=Unit 1201, Bldg 103, 27 Dosan-daero 45-gil, Gangnam-gu, Seoul 06021"]),
]  # fmt: skip

PEOPLE = [
    ("My name is Oluwaseun Adeyemi and I was billed twice", ["PERSON=Oluwaseun Adeyemi"]),
    ("I spoke with Thandiwe Nkosi last week", ["PERSON=Thandiwe Nkosi"]),
    ("This order was placed by Marguerite Delacroix, not me", ["PERSON=Marguerite Delacroix"]),
    ("Best,\nIsolde Whitlock", ["PERSON=Isolde Whitlock"]),
    ("Please update the beneficiary to Ravindra Deshpande", ["PERSON=Ravindra Deshpande"]),
    ("Dr. Kowalczyk prescribed it", ["PERSON=Kowalczyk"]),
    ("J. R. Prentice signed for the parcel", ["PERSON=J. R. Prentice"]),
    ("Hi Mirabel, it's Bryony here", ["PERSON=Mirabel", "PERSON=Bryony"]),
    ('{"full_name": "Ottoline Graves", "plan": "pro"}', ["PERSON=Ottoline Graves"]),
    ("Swiss account of Reto Aebischer and Ursina Caflisch", ["PERSON=Reto Aebischer", "PERSON=Ursina Caflisch"]),
    ("Owner: Lionel Abara. Remove Lionel by 4 p.m.", ["PERSON=Lionel Abara", "PERSON=Lionel"]),
    ("my wife Xiomara called twice", ["PERSON=Xiomara"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), BANKING + LICENCES_AND_PASSPORTS + HEALTH + ADDRESSES + PEOPLE)
def test_what_customers_write_is_found_to_the_letter(text: str, expected: list[str]) -> None:
    assert found(text) == expected


LEAVES = [
    "Account ending in 4471 was locked",
    "Savings ****4471 shows $1,204,338.20 as of 03/04/2024",
    "EIN 12-3456789 goes on the W-9",
    "Software license key 48213-99210-18832 has expired",
    "license plate 7ABC123 was seen on camera",
    "Her nursing license RN482917 lapsed",
    "Contractor license #1048821 and business licence 48-12345",
    "Rx number 7712345 is ready for pickup",
    "claim number 2024-8821377 was denied, policy 448-291-0034 still active",
    "Invoice 943-476-5919 is overdue",
    "NDC 0002-8215-01, lot 48A2213, CPT 99213, ICD-10 E11.9",
    "prior authorization 44882913 approved",
    "reference number 021000021 on the ticket",
    "The check number is 1042 and the amount 1,500.00",
    "confirmation code 338291047755",
    "Tracking 9400 1118 9922 3344 5566 77",
    "Case 536-90-43991 and part 536-9-04399",
    "passport renewal fee was $130 on 04/05/2024",
    "Appointment 14/02/2025 at 10:30, room 12-34",
    "The account manager will call on 03/04/2025 about order 55012378894",
    "Parkinson's disease, Wells Fargo, Baker Street, Lockheed Martin, Santa Cruz, Dow Jones",
    "NHS waiting list: 7,600,000 patients",
    "The medical records of 2061 patients aged 50-69 years",
    "Henry VIII, a Queen Anne chair, the Florence Nightingale ward, Hurricane Katrina",
    "St. Louis, San Diego, Sao Paulo and Lake Victoria",
    "Post it by May 3rd, before June 12 at the latest",
    "Series 9, Sport Loop; parade on 17 March 2024, Fifth Avenue closed",
    "The store at 500 Main Plaza opens at ten",
    "Firmware 172.31.4 ships with bootloader 1.0.0.27; the radio stays on 6.3.119.0",
    "Passcode 448291, Host Key 112233, Retrospective Studies 1998-2004",
]


@pytest.mark.parametrize("text", LEAVES)
def test_what_only_looks_like_it_is_left(text: str) -> None:
    assert found(text) == []
