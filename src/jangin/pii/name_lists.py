"""Words that names are made of, and words that only look like them. Written for this project, from no data set."""

from __future__ import annotations

from jangin.pii.words import words

SURNAMES = frozenset(
    "김이박최정강조윤장임한오서신권황안송류유전홍고문양손배백허남심노하곽성차주우구민진지엄채원천방공현함변염여추도소석선설마길연위표명기"
    "반왕금옥육인맹제모탁국어은편용라나"
)
COMMON_SURNAMES = frozenset(
    "김이박최정강조윤장임한오서신권황안송류유전홍고문양손배백허남심노하곽성차주우구민진엄채원천방공현함변염여추도소석선설마길표명기반왕"
)
LONG_SURNAMES = ("남궁", "황보", "제갈", "사공", "선우", "독고", "동방", "서문")
FIRST_SYLLABLES = frozenset(
    "가강건경고곤광규근기길나남다단달대덕도동두라래리만명무문미민범병보복봉부삼상새서석선설성세소솔송수숙순슬승시신아안애양여연영예오옥완용우"
    "원유윤율은을의이인일자재전정제종주준중지진찬창채천철초춘충치태택하학한해향혁현형혜호홍화환회효훈휘희혜빛별다"
)
LAST_SYLLABLES = frozenset(
    "가강건걸겸경관광교구국권규균근금기길나남늘다담대덕도돈동득라란람랑래량련령례록룡루률름리린림만명모목무문미민배백범별병복봄봉비빈빛사산"
    "삼상새샘서석선섭성세소솔송수숙순슬승시식신실심아안애양언연열영예오옥완용우욱운웅원월유윤율은을음의이인일임자재전정제조종주준중지진찬창채"
    "천철춘충치칠태택표필하학한해향혁현협형혜호홍화환회효훈휘흠희결"
)
# Given names that everybody in Korea knows: with a surname before them they need no other sign.
GIVEN = frozenset(
    words("""
    민준 서준 예준 도윤 시우 주원 하준 지호 지후 준서 준우 현우 도현 지훈 건우 우진 선우 서진 민재 현준 연우 유준 정우
    승우 승현 준혁 지환 승민 지우 시윤 유찬 은우 민성 준영 재윤 시후 진우 지원 수현 재원 태윤 한결 윤우 동현 민규 민우
    윤호 서연 서윤 지민 서현 민서 하은 하윤 윤서 지유 지아 채원 수아 지윤 은서 다은 예은 수빈 소율 예린 예원 지안 소윤
    하린 유진 시은 채은 유나 윤아 가은 서영 민지 예나 수민 수연 연서 나은 다인 아린 서아 예서 하연 서하 다연 주하 아윤
    이서 소은 주아 아인 현서 서은 태린 영수 영호 영철 정호 성호 성훈 성민 상훈 상현 상우 동훈 동욱 동수 재현 재훈 재성
    재호 재영 재석 종현 종훈 종수 종민 진호 진수 진영 진혁 창민 창호 철수 철민 태현 태훈 태호 태영 태민 현수 현석 현민
    형준 형석 호준 호진 희준 경수 경민 경호 광수 기현 기훈 대현 대호 두현 명수 명호 문수 민수 민호 민석 민혁 민기 병철
    병호 병수 상민 석진 석호 선호 성준 성진 성현 세준 세훈 수호 순호 승호 승준 승훈 시현 영민 영진 영훈 영준 용준 용수
    우성 우현 원석 원준 윤석 은호 인수 인호 일호 정민 정수 정훈 정현 제훈 주호 주환 준기 준수 준호 준석 준형 중기 지석
    지성 지수 지용 지혁 찬호 찬우 찬영 태우 태준 하늘 학수 한솔 해진 혁진 형우 홍기 효준 훈민 길동 미영 미경 미정 미숙
    미란 미선 미나 미연 미진 영희 영숙 영미 영자 영순 정숙 정희 정자 정순 정은 정아 정연 정인 정미 순자 순희 순이 명자
    명숙 명희 경숙 경자 경희 경아 은영 은정 은주 은경 은희 은지 은혜 은미 은선 현정 현주 현숙 현아 현지 현진 현경 지은
    지현 지영 지혜 지연 지선 지숙 지희 수진 수정 수경 수희 수지 수미 수영 선영 선희 선미 선아 선주 선정 성희 성은 성경
    소영 소희 소연 소현 소정 소민 소라 혜진 혜원 혜정 혜영 혜경 혜숙 혜수 혜인 혜린 혜미 유미 유정 유경 유리 유빈 유선
    윤정 윤희 윤주 윤지 윤미 윤경 보라 보영 보미 보람 나영 나연 나리 나래 나경 다영 다혜 다솜 다희 다현 아름 아라 아영
    가영 가연 가희 민정 민주 민아 민경 민영 민희 민선 세영 세희 세진 세라 세은 진희 진주 진아 진경 진숙 진선 연주 연희
    연수 연정 연지 연아 예진 예지 예슬 예림 예빈 효진 효정 효주 효린 효선 희정 희진 희선 희영 희수 하나 하영 하늬 한나
    한별 해인 해원 해수 태희 태연 재희 재은 재경 주희 주연 주영 주은 주현 주리 채영 채린 채윤 초롱 춘자 춘희 화영 말자
    말숙 옥순 옥희 금자 금순 복순 복자 상철 상호 상진 상준 상욱 상범 성일 성수 성우 성욱 성재 성철 성규 성환 승철 승환
    승원 승욱 승재 승연 승희 승아 동석 동희 동건 동진 동윤 동민 동하 도영 도훈 도진 도경 도연 도희 도균 태양 태경 태식
    태수 태형 태균 범준 범수 병훈 병준 병현 병욱 병민 병진 봉수 봉준 용호 용현 용훈 용석 용진 용민 우석 우람 우영 우빈
    우식 원빈 원호 원영 원희 의진 인영 인성 인철 인혜 일우 재민 재승 재우 재욱 재준 재혁 재환 종호 종욱 종석 종혁 종원
    준용 준희 준모 준성 중현 지섭 지웅 지완 지운 진욱 진석 진성 진형 진희 창우 창현 창훈 창수 창희 철호 철우 치훈 필립
    하람 하율 학준 한빈 한수 해성 현성 현욱 현철 현호 현태 형민 형진 형철 호영 호석 홍석 홍준 효민 효성 효섭 휘성 시온
    시연 시영 이든 이준 이안 로운 라희 라온 루아 리아 봄이 새롬 새봄 슬기 슬아 순영 순옥 순덕 순남 영란 영란 영애 영옥
    영주 영선 영은 영아 영서 영재 영우 영범 영석 영식 영일 영환 영광 영택 영태 영신 영실 영림 영빈
""")
)
# Surname + syllables that are no name: words of everyday letters, forms and titles.
NOT_KOREAN_NAMES = frozenset(
    words("""
    고객 선생 사장 부장 과장 손님 하느 주인 기사 원장 이사 어머 아버 임금 공주 왕자 회원 여러 신부 목사 장모 사모 이모
    고모 조교 선배 안내 차장 반장 국장 소장 변호사 이용자 신청자 주문자 예금주 보호자 관리자 작성자 구매자 신고자
    송금인 수신자 방문자 임차인 임대인 주치의 조합원 정회원 연구원 공무원 배우자 전문가 전문의 지원자 여행자 주인공
    기술자 안내자 강사 강아지 고양이 고지서 공급자 공동체 관계자 구독자 구매인 국민 금융 기술 기관 기본 기존 길이
    나머지 남자 남편 노인 도움 도착 마지막 명의 명의자 모두 문제 문의 문자 문서 민원 민원인 반품 방금 방문 방법 배송
    배송지 백신 변경 변호인 서류 서비스 서명 서명인 석사 선물 설명 설정 성명 성함 소개 소비자 소유자 소유주 손해 송장
    수리 수취인 신고 신규 신분 신분증 신청 신청인 심사 안전 안녕 양식 여권 여행 연락 연락처 연결 연구 연세 예약자 예약
    오늘 오전 오후 오류 왕복 용도 우리 우선 우편 원본 원서 위치 유효 유지 은행 이름 이번 이전 이용 이메일 이체 이유
    이상 이제 이것 인사 인증 일정 임시 임직원 임신부 장소 장치 저희 전달 전부 전체 전화 전송 정보 정상 정확 정도 정식
    정말 제가 제품 제출 제목 조건 조회 조금 주문 주소 주민 주의 주말 지금 지난 지급 지역 지원 지점 지인 진료 진행 진단
    진짜 차량 차주 천천 최근 최대 최소 최종 추가 추천 표시 하나 하지 하루 한국 한번 함께 해당 현재 현금 현장 홍보
    홈페이지 화면 확인 회사 회신 유치원 지하철 지하 주유소 주차장 정수기 전화기 공유기 성수기 신용카드 전세금 장애인
    외국인 대리인 이자율 이사회 이용료 이수자 고소장 고소인 피고인 원고 유가족 유가 임산부 조산사 조사원 안경사 한의사
    한의원 김치 김밥 김장 이마트 이제야 이미지 이벤트 이야기 박물관 박스 정부 정책 조직 강의 강좌 강남 강북 강원 장난
    장비 장바구니 장학금 한글 한정 한화 오피스 오렌지 서울 서버 서초 신촌 신한 신발 권한 권리 황금 안심 안부 송파 유료
    유명 전기 전국 전자 전남 전북 홍삼 홍콩 고급 고민 고장 고향 문구 문화 양말 양도 양도인 양수인 손실 배경 배달
    백화점 허가 허위 남부 남대문 심각 심장 노트북 노선 하반기 곽티슈 성공 성능 성남 차이 차트 주식 주주 우체국 우유
    구성 구글 구청 민감 민간 진실 지갑 지도 지출 지문 채널 채팅 원화 원주 원금 천안 천만 방송 방수 공공 공지 공장 공식
    현대 함수 변수 변동 여성 여름 여부 추석 추후 도로 도서관 도서 소송 소득 소포 석유 선택 선불 설치 설날 마감 마트
    연금 연말 위험 표준 명세서 기간 기계 기록 기한 반납 반드시 왕십리 금액 금요일 인터넷 인원 인천 제주 제한 모바일
    모델 국내 국제 은평 편의점 용산 라면 나라 나이 이용권 정기권 정산서 하드디스크 기다려 신세계 조용한 유의사 지지난
    소방서 경찰서 정비소 전공의 수간호사 주무관 지도교수 신경외과 정형외과 이비인후과 전자기기 구독자님 주임 조장 차관
    장관 원생 조원 위원 임원 이웃 지배인 조카 고모부 이모부 장인 장모님 민원실 한의 신도 성도 선수 기자 배우 안사돈
    유저 이분 그분 저분 한분 두분 전원 소비자님 오너 공인 지기 연구자 마케터 방문자님 정직원 표지 주문하신 구매하신
    이용하신 신청하신 방문수 주문수 지정석 우선석 이동하 연주하 안경원 조회수 인원수 이정도 이상하 이상은 정상영
    공정하 이지수 전수영 이상호 이유진 최우선 최신형 최고급 최대한 최소한 최저가 최종본 최고가 최단기 최근에 최초로
    김치찜 김치전 송수화 송수신 송수진 임대아 임시아 임상시 한우진 강원도 강원영 강인한 강변역 강동구 배수로 배수구
    노하우 노동자 하나은 하루아 서면은 이중성 이동성 이동식 이동수 이동원 고유성 고정식 고정수 고정석 고정원 조정석
    조정식 공용석 전용석 전자책 안전성 안정성 안정식 신선식 신선도 유동성 유동식 유동수 유효성 유연성 정기성 정식영
    정상인 정상수 정상성 정원수 정원영 성인수 성인식 성인용 장인정 장기석 장기수 장기성 한정식 한정수 한정석 한정성
    전문성 민감성 주도성 주기성 주식수 구성원 구성은 남성은 여성은 조정은 안정은 고정은 설정은 선정은 지정은 한정은
    인정은 공정은 여정은 표정은 우정은 가정은 신경은 안경은 구경은 전경은 배경은 변경은 수영은 운영은 반영은 조영은
    우선은 조선은 직선은 유선은 노선은 신선은 차선은 사진은 추진은 국민은 주민은 시민은 서민은 고민은 난민은 이민은
    방문은 주문은 전문은 의문은 공문은 남은지 배송은 안내은 정보라 이영화 진지한 진지하 동의가 정규식 정규직 동의서
    동의함 이영상 정보은 전화영 문화영 기준수 기본형 고급형 신규진 신규원 유해성 유도원 안내원 상담원 유지원 고객수
""")
)

ENGLISH_GIVEN = frozenset(
    words("""
    James Robert John Michael David William Richard Joseph Thomas Christopher Charles Daniel Matthew Anthony Steven
    Andrew Paul Joshua Kenneth Kevin Brian George Timothy Ronald Jason Edward Jeffrey Ryan Jacob Gary Nicholas Eric
    Jonathan Stephen Larry Justin Scott Brandon Benjamin Samuel Gregory Alexander Patrick Raymond Jack Dennis Jerry
    Tyler Aaron Jose Adam Nathan Henry Zachary Douglas Peter Kyle Noah Ethan Jeremy Walter Keith Roger Terry Sean
    Gerald Carl Dylan Harold Jesse Bryan Lawrence Arthur Gabriel Bruce Logan Billy Joe Alan Juan Elijah Willie Albert
    Wayne Randy Mason Vincent Liam Roy Bobby Caleb Bradley Russell Lucas Oliver Leo Harry Oscar Theo Archie Alfie
    Freddie Hugh Ian Colin Graham Stuart Neil Nigel Simon Martin Derek Trevor Clive Gareth Rhys Owen Declan Connor
    Finn Callum Angus Hamish Alistair Duncan Malcolm Fergus Rory Evan Isaac Julian Adrian Marcus Felix Hugo Ivan Omar
    Ali Ahmed Mohammed Muhammad Mohamed Hassan Hussein Ibrahim Yusuf Khalid Tariq Raj Ravi Amit Rahul Arjun Vikram
    Sanjay Anil Suresh Deepak Kumar Carlos Luis Miguel Diego Javier Pedro Pablo Jorge Alejandro Fernando Ricardo
    Rafael Sergio Andres Mateo Santiago Marco Luca Giovanni Paolo Pierre Jean Jacques Hans Klaus Stefan Dmitri Sergei
    Vladimir Nikolai Hiroshi Kenji Takashi Yuki Wei Jun Ming Chen Mary Patricia Jennifer Linda Elizabeth Barbara Susan
    Jessica Sarah Karen Lisa Nancy Betty Sandra Margaret Ashley Kimberly Emily Donna Michelle Carol Amanda Melissa
    Deborah Stephanie Rebecca Sharon Laura Cynthia Dorothy Amy Kathleen Angela Shirley Emma Brenda Pamela Nicole Anna
    Samantha Katherine Christine Helen Debra Rachel Carolyn Janet Maria Catherine Heather Diane Olivia Julie Joyce
    Victoria Ruth Virginia Lauren Kelly Christina Joan Evelyn Judith Andrea Hannah Megan Cheryl Jacqueline Martha
    Madison Teresa Gloria Sara Janice Ann Kathryn Abigail Sophia Frances Jean Alice Judy Isabella Julia Amber Denise
    Danielle Marilyn Beverly Charlotte Natalie Theresa Diana Brittany Doris Kayla Alexis Lori Marie Sophie Chloe Ella
    Lucy Zoe Isla Freya Poppy Ava Mia Amelia Harriet Eleanor Phoebe Imogen Beatrice Matilda Fiona Moira Siobhan Niamh
    Aoife Ciara Bronwen Gwen Priya Anjali Deepa Kavita Neha Pooja Sunita Lakshmi Aisha Fatima Zainab Khadija Maryam
    Leila Yasmin Noor Layla Ana Lucia Carmen Elena Sofia Isabel Valentina Camila Gabriela Daniela Mariana Ingrid
    Astrid Olga Natasha Svetlana Irina Tatiana Yuko Sakura Mei Ling Nguyen Linh Thi Minh Claire Nora Naomi Esther
    Miriam Leah Rosa Vera Irene Sheila Maureen Tracy Tina Wendy Holly Molly Katie Jenny Becky Debbie Cathy Peggy Sally
    Nina Tara Tanya Tamara Monica Veronica Erica Vanessa Bethany Tiffany Courtney Lindsay Allison Jasmine Gemma Hayley
    Kirsty Lorraine Bridget Deirdre Rosemary Tom Tim Jim Bob Mike Dave Steve Chris Matt Dan Ben Sam Alex Nick Tony
    Andy Greg Jeff Ken Ron Ted Fred Phil Kate Liz Beth Meg Jess Jen Kim Pam Deb Jo Ellie Maggie Annie Josh Jake Zach
    Nate Luke Max Ethan Aiden Hye Min Seo Ji Soo Hyun Yoon Jin Hana Minji Jihoon Minho Minsu Jiwoo Jimin Seoyeon Sujin
    Eunji Jisoo Hyejin Yuna Sunwoo Taeyang Donghyun Seungmin Jaehyun Younghee Chulsoo Gildong Eunice Grace Hope Faith
    Joy Frank Mark Grant Ray Rose Ruby Lily Violet Daisy Iris Ivy Olive Hazel Jade Pearl Crystal April June May Summer
    Autumn Dawn Eve Jordan Austin Dallas Paris Sydney Carter Hunter Chase Dean Drew Gene Art Rich Bill Will Rob Pat
    Sue Penny Ginger Angel Christian Guy Miles Earl Duke Franklin Lincoln Jackson Harper Riley Taylor Morgan Cameron
    Casey Jamie Robin Lee Leslie Marion Sidney Stanley Howard Norman Leonard Victor Ernest Eugene Ralph Clarence Louis
    Philip Johnny Craig Todd Shawn Travis Jeffery Chad Derrick Curtis Glenn Darren Damian Dominic Sebastian Tobias
    Elliot Elliott Spencer Preston Quentin Reginald Rupert Percy Winston Desmond Kwame Kofi Chidi Emeka Oluwaseun
    Ngozi Adaeze Amara Tunde Abena Priyanka Rohan Aditya Ananya Ishaan Siddharth Meera Divya Harpreet Gurpreet
    Manpreet
""")
)
# Given names that are words or places: alone they say nothing.
AMBIGUOUS = frozenset(
    words("""
    Grace Hope Faith Joy Frank Mark Grant Ray Rose Ruby Lily Violet Daisy Iris Ivy Olive Hazel Jade Pearl Crystal
    April June May Summer Autumn Dawn Eve Jordan Austin Dallas Paris Sydney Carter Hunter Chase Dean Drew Gene Art
    Rich Bill Will Rob Pat Sue Penny Ginger Angel Christian Guy Miles Earl Duke Franklin Lincoln Jackson Harper Riley
    Taylor Morgan Cameron Casey Robin Lee Virginia Victoria Madison Charlotte Jack Max Jo Min Hye Seo Ji Soo Hyun Yoon
    Jin Hana Amber Carol Holly Poppy Ava Mason Logan Wayne Scott Randy Bruce Sandra Diana Kelly Chen Ming Wei Jun Mei
    Ling Thi Minh Kim Kumar Ali Noor Omar Juan Stanley Spencer Preston Winston Leo Oscar Felix Martin Wendy Tiffany
    Florence Vera Aurora Luna Alexis Mercedes Sofia Santiago Diego Jose Jean Joe Terry Lucas Russell Tyler Gary Ken
    Ted Ron Dan Sam Ben Isla Nora Sakura Yuki Dominic Eugene Howard Norman Victor Ernest Marion Craig Todd Chad Curtis
    Ian Art Archie Theo Ethan Jessie Josh Jim Bob Deb Pam Beth Meg Jen Jess Bobby Billy Guy Kate Hans Marco Luca
    Pierre Ivan Olga Nina Tara Raj
""")
) - frozenset(
    words("""
    Kate Ben Josh Jim Bob Ethan Lucas Sam Dan Beth Jess Jen Ian Nina Nora Todd Craig Ken Ron
""")
)
KOREAN_ROMAN = frozenset(
    words("""
    Kim Lee Park Choi Choe Jung Jeong Chung Kang Cho Jo Yoon Yun Jang Chang Lim Im Han Oh Seo Suh Shin Sin Kwon Gwon
    Hwang Ahn An Song Ryu Yoo Yu Hong Jeon Jun Ko Go Moon Mun Yang Son Sohn Bae Baek Paik Heo Hur Nam Shim Sim Noh Roh
    Ha Kwak Sung Seong Cha Joo Ju Woo Koo Gu Ku Min Jin Ji Um Chae Won Cheon Bang Kong Hyun Ham Byun Yeom Na
""")
)
NOT_ENGLISH_NAMES = frozenset(
    words("""
    I We You He She They It The This That These Those There Here My Your Our His Her Their A An And Or But If So As At
    By For From In Into Of On To With Without Not No Yes Ok Okay Please Thank Thanks Hello Hi Hey Dear Good Great Best
    Kind Warm Regards Sincerely Cheers Sorry Sir Madam Team Support Customer Service Services Sales Admin Everyone All
    Folks Guys Friend Friends Colleague Colleagues Manager Director Doctor Nurse Patient Client Guest User Member
    Members Account Order Invoice Payment Bank Card Number Name Address Phone Email Date Birth Monday Tuesday
    Wednesday Thursday Friday Saturday Sunday January February March April May June July August September October
    November December Today Tomorrow Yesterday Morning Afternoon Evening Night Street Road Avenue Lane Drive Court
    Hospital Clinic University School College Center Centre Company Inc Ltd LLC Corp Group Holdings Foundation
    Association Airport Hotel Park City State County Island Islands Lake River Mountain North South East West New
    United American British English Korean Chinese Japanese Canadian German French Spanish Italian Indian Christmas
    Easter Holiday Department Office Ministry Council Committee Company Product Version Windows Linux Google Apple
    Amazon Microsoft Samsung Facebook Twitter Netflix PayPal Visa Mastercard Python Java Docker Kubernetes Excel Word
    Re Fwd Subject Attn Cc Just Still Very Really Also Now Then When Where Why How What Who Which Can Could Would
    Should Will Shall May Might Must Do Does Did Is Are Was Were Be Been Being Have Has Had Been Get Got Let Make Made
    Take Send Sent Call Called Contact Ask Tell Told See Saw Note Update Urgent Important Re-send Hope Looking
    Following Regarding Per Since After Before Until During Via Due Next Last First Second Dr Mr Mrs Ms Miss Prof
    Professor Sir Madam Lord Lady Uncle Aunt Mum Mom Dad Grandma Grandpa Honey Hon Hiring Human Resources Whom Concern
    Valued Sirs Madams Both Some Any Each Every Many Most Other Another Such Only Even Because Although However
    Therefore Meanwhile Anyway Actually Basically Finally Unfortunately Fortunately Hopefully Maybe Perhaps Security
    Insurance Policy Claim Claims Medical Record Records Passport License Licence Driver Social Report Test Result
    Results Room Ward Unit Suite Apt Floor
""")
)
# What follows a name and makes it a thing: a hospital, a street, a disease, a firm.
THINGS = frozenset(
    words("""
    Hospital Clinic University College School Academy Institute Street St Road Rd Avenue Ave Boulevard Blvd Lane Ln
    Drive Square Bridge Station Airport Park Stadium Museum Library Center Centre Building Tower House Hall Hotel Inn
    Cafe Inc Ltd LLC LLP Corp Corporation Company Co Group Bank Foundation Trust Award Prize Cup Day Island Bay Beach
    Lake River Mountain Valley Creek Hill Hills Springs Falls County City Syndrome Disease disease Method Theorem Law
    Test Effect Plc GmbH Motors Airlines Sachs Stanley Hopkins Pepper Martens Hilfiger Klein Schwab Lauren Kors Cook
    Lynch Fargo Mart Depot Davidson Mutual Daniels Walker Cathedral Church Theatre Theater Gallery Garden Gardens
    Terminal Dam Act Rule Medal Batteries Exports Fertilisers Fertilizers Laboratories Labs Industries Securities
    Enterprises Networks Pharma Pharmaceuticals Steel Textiles Cement Chemicals Foods Airways Finance Capital Ventures
    Logistics Electronics Systems Technologies Infotech Infra Realty Builders Developers Jewellers Shoes Studies Scale
    Apraxia Score Suite Apartments Residences Partners Associates Solicitors Realtors Brewery Winery Vineyards Records
    Studios Publishing Broking Brokers Limited Pvt Federal Savings Credit Insurance Assurance Broadcasting
    Entertainment Pictures Magazine Times Post Tribune Herald Gazette Journal Festival Marathon Stakes Trophy
    Championship League Arena Reservoir Forest Woods Mall Plaza Pier Quay Docks Line Express Protocol Index Curve
    Distribution Criterion Coefficient Procedure Sign Reflex Palsy Tumor Tumour Anemia Dystrophy Lymphoma Sarcoma
    Atrophy Gland Organ Node Cells Cell Antibody Virus
""")
)
