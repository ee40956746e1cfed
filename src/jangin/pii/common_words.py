"""Capitalised words of forms, firms, places and headings: beside another capitalised word they make no person."""

from __future__ import annotations

from jangin.pii.words import phrases, words

COMMON = frozenset(
    words("""
    King Queen Prince Princess Pope Emperor Hurricane Typhoon Storm Cyclone Marriott Hilton Hampton Cisco Dyson Sapphire
    A About Above Access Accident According Accounts Across Action Active Activity Actual Add Added Additional Address
    Admission Admissions Adult Advance Advice Again Age Agency Agent Agreement Air Alert Alien Allergies Allergy Alpha
    Alternative Always Ambulance Amount Amounts Annual Another Answer Anyone Apartment App Appeal Applicant Applicants
    Application Applied Appointment Approval Approved Archive Area Arrears Arrival Arrived Article Artist Ask Asked
    Assessment Asset Assets Assistant Associate Associates Attached Attaching Attachment Attempt Attention Attorney
    Auction Audit August Author Authority Authorization Auto Automated Available Award Baby Back Background Badge Bag
    Balance Banking Base Basic Batch Beach Because Bed Before Behavior Below Beneficiary Benefit Benefits Beta Beyond
    Big Bill Billing Birth Black Blank Block Blood Bloods Blue Board Body Bonus Book Booking Bookings Border Borrower
    Both Bottom Box Branch Brand Breach Break Brief Bring Broken Brothers Budget Building Bus Business Buy Buyer By
    Cable Call Callback Caller Calling Campus Cancel Cancelled Cancer Candidate Capital Car Cardiology Care Carrier
    Cart Case Cases Cash Cat Catalog Category Cell Central Certificate Chain Chair Chairman Chamber Change Changed
    Changes Channel Chapter Charge Charges Chart Chat Check Checked Checking Chef Chemical Cheque Chief Child Children
    Choice Chronic Circle City Civil Claimant Class Classic Clean Clear Clerk Click Client Clients Clinical Close
    Closed Cloud Club Coach Coast Code Cold Collect Collection College Comment Comments Commercial Commission Common
    Community Comp Compare Complaint Complete Compliance Condition Conditions Conference Confirm Confirmation
    Confirmed Congress Connection Conservative Construction Consultant Consumer Contact Contacts Content Contract
    Contractor Control Cool Copy Core Corner Corporate Correct Correction Cost Costs Could Counsel Country Course
    Cover Coverage Created Credit Crew Critical Crown Cruise Crystal Currency Current Custom Customs Cyber Daily
    Damage Data Database Date Dates Day Days Dead Deal Dealer Death Debit Debt Deceased Decision Declined Default
    Defendant Delayed Delete Delivered Delivery Dental Dependent Deposit Deputy Design Desk Detail Details Device
    Diabetes Diagnosis Did Digital Direct Disability Discharge Discount Disease Dispatch Dispute District Division Do
    Doc Docket Doctors Document Documents Dog Dollar Domestic Door Double Doubtful Down Download Draft Drug Dry Due
    Duplicate During Duty Early Earth East Eastern Economic Edge Edition Editor Education Eight Either Elder Electric
    Electronic Eleven Else Email Emergency Employee Employees Employer Employment End Energy Engine Engineer
    Engineering Enquiry Enter Enterprise Entry Equal Equity Error Estate Euro European Even Event Events Every
    Evidence Examination Example Excellent Except Exchange Executive Exit Expat Expense Expenses Expired Expires
    Express External Extra Eye Facility Factory Failed Failure Fair Family Far Farm Fast Fax Federal Fee Fees Female
    Field Fifth Figure File Files Fill Film Final Finance Financial Fine Fire Firm First Fiscal Five Fixed Fleet
    Flight Flood Floor Florist Folio Follow Food Foot For Foreign Forest Form Formal Forms Fort Forward Four Fourth
    Fraud Free Freight Fresh Front Fuel Full Fund Funds Further Future Gallery Game Garage Gas Gate General Gift
    Global Gold Golden Good Goods Government Grand Grant Green Grey Grid Gross Ground Growth Guarantee Guarantor Guard
    Guest Guests Guide Guys Hair Half Hall Hand Handover Harbor Harbour Hard Head Headquarters Health Healthcare Heart
    Heavy Height Help Her Here Hi High Higher Highway Hill Him Hire His History Hold Holder Home Homes Honor Hope
    Horse Hospice Host Hot Hour Hours House Household Housing However Human Hundred Husband Ice Id Identity If Image
    Immediate Immigration Immunisation Impact Important Income Independent Index Individual Industrial Industries
    Industry Info Information Initial Injury Inner Input Inquiry Insurance Intake Integrated Intensive Interest
    Interim Internal International Internet Interview Into Investment Investor Invoice Invoices Iron Issue Issued Item
    Items Its Job Joint Journal Judge Junior Jury Just Keep Key Keys Kids Kingdom Kitchen Know Lab Label Labor
    Laboratory Labour Lakeshore Land Landlord Language Large Laser Last Late Later Latest Law Lead League Leave Left
    Legal Legislature Length Less Letter Level Liability Library Licence License Life Light Like Limit Limited Line
    Link List Lists Live Living Loan Loans Local Location Locker Log Login Logistics Long Look Lost Lot Lots Love Low
    Lower Loyalty Lung Machine Mail Main Maintenance Major Make Male Man Managed Management Managing Manual Many
    Marine Mark Market Marketing Mass Master Match Material Maternity Matter Max Maximum Mean Media Median Mediation
    Medicaid Medicare Medication Medicine Meeting Memo Memorial Mental Merchant Message Metal Metro Middle Midnight
    Mile Military Million Mini Minimum Ministry Minor Minute Minutes Missed Missing Mission Mobile Mode Modern Money
    Month Monthly Months More Mortgage Mostly Motor Mount Move Moved Multi Multiple Music Mutual My Name Names
    National Nationwide Natural Nature Naval Navy Near Need Needs Negative Net Network Never Newborn News Next Night
    Nine No Nobody None Nor Normal Northern Not Notary Note Notes Nothing Notice Now Nuclear Null Nursing Observer
    Occupation Ocean Off Offer Offers Officer Official Often Oil Old Older On Once Oncology One Online Only Open
    Opening Operating Operation Operations Operator Option Optional Orange Order Ordered Orders Organic Organization
    Origin Original Other Others Our Out Outcome Outer Output Outside Over Overdue Overnight Overseas Own Owner Owners
    Pacific Pack Package Page Paid Paint Panel Paper Papers Parcel Parent Parents Parish Parking Part Parties Partner
    Partners Parts Party Pass Passenger Passengers Passport Password Past Patent Path Patient Patients Pay Payable
    Paycheck Payee Payer Payment Payments Payroll Payslip Peak Pediatric Pending Pension People Per Percent Period
    Permanent Permit Person Personal Personnel Pet Petition Pharmacy Phase Phone Phones Photo Photos Physical
    Physician Picture Piece Pilot Pink Pipeline Place Plain Plaintiff Plan Plant Plastic Plate Platform Play Player
    Plaza Please Plus Point Points Police Policyholder Pool Poor Pop Port Portal Portfolio Position Positive Possible
    Post Postal Pound Power Practice Prairie Pre Preferred Pregnancy Premier Premium Prescription Present President
    Press Previous Price Primary Prime Principal Print Printed Prior Priority Privacy Private Pro Process Processing
    Produce Profile Profit Program Programme Progress Project Promo Proof Property Proposal Protection Provider
    Psychiatry Public Purchase Purple Purpose Quality Quantity Quarter Quartz Query Question Questions Quick Quiet
    Quote Race Radio Radiology Rail Railway Rain Range Rapid Rate Rates Ratio Raw Read Reading Ready Real Reason
    Rebate Receipt Receive Received Recent Reception Recipient Recommended Recovery Red Reference References Referral
    Refund Refunds Region Regional Register Registered Registration Registry Regular Reimburse Reject Rejected Related
    Release Relief Reminder Remote Removal Remove Renal Rent Rental Repair Repeat Reply Request Requested Requests
    Required Requirements Research Reservation Reserve Reset Resident Residential Resolution Resort Resource Resources
    Respiratory Response Rest Restaurant Retail Retirement Retry Return Returned Returns Revenue Reverse Review
    Revised Rewards Rich Right Rights Ring Rise Risk Road Roadside Rock Role Roll Roof Root Round Route Routine
    Routing Row Royal Rule Rules Run Running Rural Safe Safety Saint Sale Same Sample Samples San Sand Santa Satellite
    Save Savings Scan Schedule Scheduled Scheme Science Scientific Score Screen Screening Script Sea Search Season
    Seat Seats Secondary Secret Secretary Section Sector Secure See Selected Self Seller Semi Senate Send Sender
    Senior Sent Sentence Serial Series Serious Server Set Seven Several Severe Shared Sheet Shell Shift Ship Shipment
    Shipped Shipping Shop Short Show Side Sign Signal Signature Signed Silver Similar Simple Since Single Site Sites
    Six Size Skill Skin Sky Sleep Slow Small Smart So Social Society Soft Software Soil Solar Sold Solid Solution
    Solutions Some Someone Sorry Sort Soundex Source Southern Space Spare Speaker Special Specialist Species Specific
    Speed Sport Sports Spouse Spring Square Stable Staff Stage Standard Standing Star Start Started State Statement
    Station Status Stay Steel Step Still Stock Stolen Stomach Stone Stop Storage Store Stores Storm Story Straight
    Strategic Stream Strong Structure Student Students Studio Study Style Sub Subject Subscription Subsidiary Success
    Sugar Suggested Suite Sum Summary Summer Sun Super Supplement Supplier Suppliers Supply Support Supreme Surgery
    Surgical Surname Surplus Survey Suspect Swap Swift System Systems Table Tag Tail Take Taken Talk Tall Tank Target
    Tax Taxi Teacher Team Tech Technical Technology Telecom Telephone Television Temporary Ten Tenant Tenants Tender
    Term Terminal Terms Test Testing Text Thank That Their Then Theory Therapy There These They Thing Third This Those
    Thousand Three Through Ticket Tickets Tier Time Timer Times Timesheet Title To Today Together Tomorrow Tonight Too
    Tool Top Total Touch Tour Town Track Tracking Trade Trading Traffic Train Training Trans Transaction Transcript
    Transfer Transit Transport Travel Treasury Treatment Trial Trip Triple True Trust Trustee Try Tube Two Type Ultra
    Under Unemployment Unfortunately Union Unique Unit Universal Unknown Unlimited Until Unusual Up Update Updated
    Upgrade Upon Upper Urban Urgent Usage User Users Using Usual Utility Vaccine Vacation Valid Valley Value Van
    Variable Various Vehicle Vendor Version Versus Very Victim Video View Village Vintage Virtual Vision Visit
    Visiting Visitor Visitors Vital Voice Voicemail Volume Voucher Vulnerable Wage Wait Waiting Walk Wall Want Ward
    Warehouse Warm Warning Warranty Wash Waste Watch Water Wave We Weak Wealth Weather Web Website Wedding Week
    Weekend Weekly Weight Welcome Welfare Well Were Western Wet What When Where Which While White Whole Why Wide Widow
    Wife Wild Will Wind Window Wine Winter Wire Wireless With Witness Woman Women Wood Word Words Work Worker Workers
    Working Works Workshop World Worth Would Write Wrong Year Yearly Years Yellow Yes Yesterday Yet You Young Your
    Youth Zero Zone Zoo Abnormal Acute Adjusted Adverse Anti Aspirin Asthma Bank Bypass Cardiac Chest Clinic
    Congenital Council Department Dose Dr Drain Ear Fever Follow-up Fracture Gland Glargine Hepatitis Hospital Insulin
    Kidney Liver Metformin Mitral Mr Mrs Ms Muscle Nerve Neuro Obstetrics Orthopaedics Outpatient Pain Paediatrics
    Penicillin Plasma Sinus Skeletal Spinal Spine Stroke Syndrome Theatre Thyroid Toxic Tumor Urine Vein Virus Vitamin
    Wound Symptoms Approximate Hispanic Computed Nifty Sensex Breast Loss Scores Expect Neoplasm Neoplasms Potentials
    Aortic Evoked Urinary Bladder Femoral Fractures Influenza Valve Bipolar Disorder Questionnaire Shri Based Pt Pts
    Electronics Charing Kings X-ray Sir Madam Sister Brother Nurse Sergeant Captain Detective Inspector Father Mother
    Aunt Uncle Mum Dad Nan Gran Grandma Grandpa Cousin Niece Nephew Son Daughter Neighbour Neighbor Friend Boss
    Colleague Attn Jan Feb Mar Apr Jun Jul Aug Sep Sept Oct Nov Dec Mon Tue Tues Wed Thu Thurs Fri Sat Q Roman Pillar
    Visa Mastercard Amex Maestro Discover Sepa Iban Bic Ach Ssn Dob Mrn Nhs Gp Icu Ent Vip Faq Pdf Csv Json Sms Iphone
    Ipad Android Chrome Safari Outlook Teams Slack Zoom Gmail Yahoo Stripe Uber Lyft Airbnb Spotify Fedex Ups Dhl Usps
    Hertz Avis Tesla Toyota Honda Hyundai Kia Nissan Mazda Subaru Volvo Audi Bmw Mercedes Ford Chevrolet Jeep Barclays
    Lloyds Hsbc Santander Monzo Revolut Natwest Halifax Chase Citi Citibank Wells Fargo Goldman Schwab Fidelity
    Vanguard Aetna Cigna Humana Kaiser Medibank Bupa Optum Epic Cerner Walgreens Boots Tesco Walmart Costco Aldi Lidl
    Ikea Sony Panasonic Nokia Intel Nvidia Oracle Ibm Dell Lenovo Huawei Xiaomi Sentry Grafana Redis Postgres Mysql
    Nginx Apache Github Gitlab Jira Jenkins Terraform Ansible Helm Kafka Spark Hadoop
""")
)
PLACES = frozenset(
    words("""
    London Paris Berlin Madrid Rome Milan Lisbon Porto Vienna Zurich Geneva Basel Bern Munich Hamburg Frankfurt
    Cologne Stuttgart Amsterdam Rotterdam Utrecht Brussels Antwerp Ghent Copenhagen Oslo Stockholm Gothenburg Helsinki
    Warsaw Krakow Prague Budapest Bucharest Sofia Athens Istanbul Ankara Moscow Kyiv Minsk Riga Vilnius Tallinn Dublin
    Cork Galway Limerick Belfast Edinburgh Glasgow Aberdeen Dundee Inverness Perth Stirling Cardiff Swansea Newport
    Bristol Bath Exeter Plymouth Truro Southampton Portsmouth Brighton Hove Canterbury Dover Oxford Cambridge Norwich
    Ipswich Colchester Luton Reading Slough Swindon Gloucester Cheltenham Worcester Hereford Birmingham Coventry
    Leicester Nottingham Derby Stoke Sheffield Leeds Bradford York Hull Manchester Salford Stockport Bolton Oldham
    Rochdale Liverpool Chester Preston Blackpool Lancaster Carlisle Newcastle Sunderland Durham Middlesbrough Tokyo
    Osaka Kyoto Nagoya Sapporo Fukuoka Seoul Busan Incheon Daegu Daejeon Gwangju Ulsan Suwon Jeju Beijing Shanghai
    Shenzhen Guangzhou Hong Kong Macau Taipei Singapore Kuala Lumpur Jakarta Bali Manila Cebu Bangkok Phuket Hanoi
    Saigon Ho Chi Minh Phnom Penh Yangon Dhaka Delhi Mumbai Bangalore Bengaluru Chennai Hyderabad Kolkata Pune
    Ahmedabad Jaipur Karachi Lahore Islamabad Kathmandu Colombo Dubai Abu Dhabi Doha Riyadh Jeddah Kuwait Muscat
    Tehran Baghdad Beirut Amman Jerusalem Tel Aviv Cairo Alexandria Casablanca Tunis Algiers Lagos Abuja Accra Nairobi
    Kampala Kigali Addis Ababa Johannesburg Pretoria Durban Cape Town Harare Lusaka Sydney Melbourne Brisbane Adelaide
    Canberra Hobart Darwin Cairns Auckland Wellington Christchurch Toronto Montreal Vancouver Calgary Edmonton Ottawa
    Winnipeg Halifax Quebec Boston Springfield Providence Hartford Bridgeport Albany Buffalo Rochester Syracuse
    Brooklyn Queens Bronx Manhattan Newark Trenton Philadelphia Pittsburgh Allentown Wilmington Baltimore Annapolis
    Richmond Norfolk Raleigh Charlotte Greensboro Charleston Columbia Savannah Atlanta Augusta Macon Jacksonville
    Orlando Tampa Miami Tallahassee Pensacola Montgomery Mobile Nashville Memphis Knoxville Chattanooga Louisville
    Lexington Cincinnati Columbus Cleveland Akron Toledo Dayton Detroit Lansing Grand Rapids Flint Chicago Peoria
    Rockford Indianapolis Milwaukee Madison Minneapolis Duluth Omaha Lincoln Topeka Wichita Kansas Tulsa Oklahoma
    Dallas Houston Austin Antonio Worth Lubbock Amarillo Laredo Paso Albuquerque Phoenix Tucson Tempe Mesa Scottsdale
    Flagstaff Vegas Reno Boise Spokane Tacoma Seattle Portland Salem Eugene Sacramento Oakland Francisco Fresno
    Bakersfield Angeles Anaheim Irvine Diego Jose Honolulu Anchorage Denver Boulder Cheyenne Billings Fargo Sioux
    Louis Moines Orleans Baton Rouge Jackson Hattiesburg Arlington Bethesda Washington Europe Asia Africa America
    Americas Australia Austria Belgium Brazil Britain Bulgaria Canada Chile China Colombia Croatia Cyprus Denmark
    Egypt England Estonia Ethiopia Finland France Germany Ghana Greece Guam Hungary Iceland India Indonesia Iran Iraq
    Ireland Israel Italy Jamaica Japan Jordan Kenya Korea Latvia Lebanon Lithuania Luxembourg Malaysia Malta Mexico
    Mongolia Morocco Nepal Netherlands Zealand Nigeria Norway Pakistan Panama Peru Philippines Poland Portugal Puerto
    Rico Romania Russia Scotland Serbia Slovakia Slovenia Spain Sweden Switzerland Syria Taiwan Tanzania Thailand
    Tunisia Turkey Uganda Ukraine Uruguay Venezuela Vietnam Wales Zambia Zimbabwe Alabama Alaska Arizona Arkansas
    California Carolina Colorado Connecticut Dakota Delaware Florida Georgia Hampshire Hawaii Idaho Illinois Indiana
    Iowa Jersey Kentucky Louisiana Maine Maryland Massachusetts Michigan Minnesota Mississippi Missouri Montana
    Nebraska Nevada Ohio Oregon Pennsylvania Rhode Tennessee Texas Utah Vermont Virginia Wisconsin Wyoming Ontario
    Alberta Manitoba Scotia Brunswick Kent Sussex Surrey Essex Suffolk Devon Cornwall Dorset Somerset Wiltshire
    Berkshire Cumbria Yorkshire Lancashire Cheshire Shropshire Warwickshire Los Las El St Saint Fort Port Lake New
    North South East West American African Asian Australian Austrian Belgian Brazilian British Bulgarian Canadian
    Chilean Chinese Colombian Croatian Cuban Czech Danish Dutch Egyptian English Estonian Ethiopian European Filipino
    Finnish French German Ghanaian Greek Hungarian Icelandic Indian Indonesian Iranian Iraqi Irish Israeli Italian
    Jamaican Japanese Jewish Kenyan Korean Latin Latvian Lebanese Lithuanian Malaysian Mexican Moroccan Nepali
    Nepalese Nigerian Norwegian Pakistani Peruvian Polish Portuguese Romanian Russian Saudi Scottish Serbian Slovak
    Spanish Swedish Swiss Syrian Taiwanese Thai Turkish Ukrainian Vietnamese Welsh Muslim Christian Catholic Buddhist
    Hindu Sikh Roman Oxfordshire Hertfordshire Somali Sudanese Bangladeshi Singaporean Valencia Seville Naples Turin
    Florence Venice Bologna Lyon Marseille Nice Toulouse Bordeaux Lille Nantes Strasbourg Gangnam Mapo Mokdong Hongdae
    Itaewon Yongsan Jongno Songpa Bundang Pangyo Ilsan Christmas Easter Ramadan Hanukkah Diwali Chuseok Seollal
    Halloween Thanksgiving Valentines Buenos Aires Sao Paulo Janeiro Montevideo Bogota
    Lima Quito Caracas Havana Kingston Nassau Reykjavik Tirana Zagreb Belgrade Sarajevo Skopje Bratislava Ljubljana
    Valletta Nicosia Tbilisi Yerevan Baku Tashkent Almaty Astana Ulaanbaatar Vientiane Thames Heights
""")
)
# Firms, towns and things that are called like people.
BRANDS = frozenset(
    phrases("""
    Jack Daniel, John Lewis, Levi Strauss, Fred Perry, Kate Spade, Henry Ford, Walt Disney, Jim Beam, Jimmy John,
    Trader Joe, Duane Reade, Rite Aid, Sam Adams, Harper Collins, Pearl Jam, Tommy Bahama, Robert Bosch, Ernst Young,
    Abu Dhabi, Addis Ababa, Alexander Technique, Alexander Wang, Allen Overy, Ann Arbor, Ann Summers, Aston Martin,
    Aunt Bessie, Baker McKenzie, Barclays Bank, Baton Rouge, Ben Jerry, Calvin Klein, Cape Cod, Carl Zeiss,
    Carson City, Charles Schwab, Christian Dior, Clifford Chance, Cooper Hewitt, Crohn Disease, Des Moines,
    Dollar Tree, Dow Jones, Down Syndrome, Duff Phelps, Edward Jones, Elizabeth Arden, Elon Musk Foundation,
    Ernst Young, Estee Lauder, Foot Locker, Franklin Templeton, Geek Squad, George Washington University,
    Glasgow Coma, Goldman Sachs, Grant Thornton, Harley Davidson, Harry Potter, Harvey Norman, Helena Rubinstein,
    Henry Schein, Hewlett Packard, Hodgkin Lymphoma, Hugo Boss, Jack Daniels, Jackson Hole, Jefferson City,
    Jimmy Choo, Jo Malone, Johnnie Walker, Johns Hopkins, Jones Lang, Jordan River, Kaplan Meier, Karl Fischer,
    Kelley Blue, Knight Frank, Kuala Lumpur, Laura Ashley, Lloyds Bank, Lockheed Martin, Louis Vuitton,
    Mann Whitney, Marfan Syndrome, Marie Curie, Marie Kondo, Martin Marietta, Mary Kay, Max Mara, Mercedes Benz,
    Merrill Lynch, Michael Kors, Monte Carlo, Morgan Stanley, Otto Bock, Paris Baguette, Paul Smith, Philip Morris,
    Ralph Lauren, Raymond James, Rolls Royce, Santa Clara, Santa Claus, Santa Cruz, Santiago de Chile,
    Sherwin Williams, Stanley Park, Ted Baker, Tel Aviv, Thomas Cook, Tiffany Co, Tom Ford, Tommy Hilfiger,
    Uncle Ben, Victoria Falls, Victoria Secret, Victoria Station, Virginia Beach, Warner Bros, Wells Fargo,
    Yves Rocher
""")
)
