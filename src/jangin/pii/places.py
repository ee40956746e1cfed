"""Closed lists of public geography: Korea's provinces and districts, America's states."""

from __future__ import annotations

from jangin.pii.words import words

PROVINCES = words("""
    서울특별시 서울시 서울 부산광역시 부산시 부산 대구광역시 대구시 대구 인천광역시 인천시 인천 광주광역시 광주시 광주
    대전광역시 대전시 대전 울산광역시 울산시 울산 세종특별자치시 세종시 세종 경기도 경기 강원특별자치도 강원도 강원
    충청북도 충북 충청남도 충남 전북특별자치도 전라북도 전북 전라남도 전남 경상북도 경북 경상남도 경남 제주특별자치도
    제주도 제주시 제주
""")

_CITIES = words("""
    수원 고양 용인 성남 부천 화성 안산 남양주 안양 평택 시흥 파주 의정부 김포 광주 광명 군포 하남 오산 양주 이천 구리
    안성 포천 의왕 여주 동두천 과천 춘천 원주 강릉 동해 태백 속초 삼척 청주 충주 제천 천안 공주 보령 아산 서산 논산
    계룡 당진 전주 군산 익산 정읍 남원 김제 목포 여수 순천 나주 광양 포항 경주 김천 안동 구미 영주 영천 상주 문경 경산
    창원 진주 통영 사천 김해 밀양 거제 양산 서귀포 제주 세종
""")
_COUNTIES = words("""
    연천 가평 양평 홍천 횡성 영월 평창 정선 철원 화천 양구 인제 고성 양양 보은 옥천 영동 증평 진천 괴산 음성 단양 금산
    부여 서천 청양 홍성 예산 태안 완주 진안 무주 장수 임실 순창 고창 부안 담양 곡성 구례 고흥 보성 화순 장흥 강진 해남
    영암 무안 함평 영광 장성 완도 진도 신안 의성 청송 영양 영덕 청도 고령 성주 칠곡 예천 봉화 울진 울릉 군위 의령 함안
    창녕 남해 하동 산청 함양 거창 합천 기장 달성 강화 옹진 울주
""")
_DISTRICTS = words("""
    종로 중 용산 성동 광진 동대문 중랑 성북 강북 도봉 노원 은평 서대문 마포 양천 강서 구로 금천 영등포 동작 관악 서초
    강남 송파 강동 서 동 영도 부산진 동래 남 북 해운대 사하 금정 연제 수영 사상 수성 달서 미추홀 연수 남동 부평 계양
    광산 유성 대덕 장안 권선 팔달 영통 덕양 일산동 일산서 처인 기흥 수지 수정 중원 분당 원미 소사 오정 상록 단원 만안
    동안 상당 서원 흥덕 청원 동남 서북 완산 덕진 의창 성산 마산합포 마산회원 진해
""")
KOREAN_DISTRICTS = frozenset(
    [city + "시" for city in _CITIES] + [county + "군" for county in _COUNTIES] + [each + "구" for each in _DISTRICTS]
)
LONG_NAMES = frozenset(name for name in [*_CITIES, *_COUNTIES, *_DISTRICTS] if len(name) >= 2)  # without their suffix

STATES = words("""
    AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH OK OR PA
    RI SC SD TN TX UT VT VA WA WV WI WY DC PR
""")
STATE_NAMES = words("""
    Alabama Alaska Arizona Arkansas California Colorado Connecticut Delaware Florida Georgia Hawaii Idaho Illinois
    Indiana Iowa Kansas Kentucky Louisiana Maine Maryland Massachusetts Michigan Minnesota Mississippi Missouri
    Montana Nebraska Nevada Ohio Oklahoma Oregon Pennsylvania Tennessee Texas Utah Vermont Virginia Washington
    Wisconsin Wyoming
""") + [
    "New Hampshire", "New Jersey", "New Mexico", "New York", "North Carolina", "North Dakota", "Rhode Island",
    "South Carolina", "South Dakota", "West Virginia", "District of Columbia",
]  # fmt: skip
