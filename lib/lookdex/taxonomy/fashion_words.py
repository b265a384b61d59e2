"""What shoppers and shops call things, in English and Korean: a table to read, not code. `lexicon` finds its words.

Words are written together here ("tanktop", "숄더백") and found however they are spaced; English ones in either number.
"""

from __future__ import annotations

# English for lookdex's categories: embedders are told these words as they stand.
CATEGORIES = {
    "top": "shirt tshirt blouse polo camisole sweater jumper pullover sweatshirt hoodie knitwear tunic "
    "bodysuit longsleeve henley undershirt upper vest cardigan sling croptop tanktop tubetop halter "
    "halterneck halfzip quarterzip flannelshirt dressshirt twinset",
    "outerwear": "jacket coat blazer suit outwear raincoat poncho cape gilet outer waistcoat fleece "
    "fleecejacket shacket duffle duffel trucker bathrobe tuxedo",
    "dress": "gown sundress jumpsuit romper playsuit kaftan overall dungaree onepiece minidress mididress "
    "pinafore catsuit",
    "skirt": "maxiskirt midiskirt skort",
    "pants": "pant trouser jean chino legging jogger sweatpants cargo culotte bottom bootcut jegging capri "
    "corduroys flares palazzo",
    "shorts": "short bermuda trunk hotpants",
    "shoes": "shoe sneaker boot sandal heel pump loafer flat mule footwear espadrille clog wedge croc "
    "birkenstock brogue oxford derby moccasin galosh wellington wellies",
    "bag": "handbag backpack purse clutch wallet satchel pouch briefcase luggage suitcase beltbag bumbag "
    "fannypack hobo holdall shopper cardholder duffelbag dufflebag",
    "hat": "cap beanie beret fedora headwear bonnet visor headband helmet hairaccessory earmuff snapback "
    "buckethat",
    "glasses": "sunglass spectacle eyewear eyeglass goggle specs",
    "belt": "waistband",
    "scarf": "scarves tie necktie bandana bandanna neckerchief bowtie snood",
    "jewelry": "jewellery necklace earring bracelet ring watch brooch bangle pendant anklet accessory choker "
    "cufflink",
    "legwear": "sock tight warmer legwarmer",
}  # fmt: skip

# Category → what an embedder is told → what it is called. Small text towers know few words, and most no Korean.
THINGS = {
    "top": {
        "hoodie": "hoody 후드 후드티 후드티셔츠 후디 후드집업 집업후드 후드집업티 기모후드",
        "sweatshirt": "맨투맨 맨투맨티 스웨트셔츠 스웻셔츠 스웨트 크루넥",
        "t-shirt": "tee teeshirt 티 티셔츠 반팔 반팔티 반팔티셔츠 반소매 면티 라운드티 브이넥티 그래픽티",
        "long sleeve top": "긴팔 긴팔티 긴팔티셔츠 긴소매 롱슬리브",
        "top": "크롭티 크롭탑 탑 튜브탑 베이스레이어",
        "shirt": "셔츠 남방 와이셔츠 청셔츠 청남방 체크남방 드레스셔츠",
        "tank top": "tank singlet cami 나시 나시티 민소매 민소매티 슬리브리스 탱크탑 탱크톱 캐미솔 뷔스티에 "
        "끈나시",
        "polo shirt": "폴로 폴로셔츠 폴로티 카라티 카라티셔츠 피케 피케셔츠 피케티셔츠",
        "sweater": "니트 스웨터 니트티 풀오버",
        "roll-neck sweater": "turtleneck 목폴라 폴라티 폴라니트 터틀넥 터틀넥니트 하프넥",
        "cardigan": "가디건 카디건 니트가디건 볼레로",
        "vest": "조끼 베스트 니트조끼 니트베스트",
        "blouse": "블라우스 튜닉",
        "button-down shirt": "buttondown buttonup",
    },
    "outerwear": {
        "puffer jacket": "puffer downjacket 패딩 롱패딩 숏패딩 경량패딩 패딩점퍼 패딩잠바 패딩조끼 패딩베스트 "
        "다운재킷 다운자켓 구스다운 오리털",
        "jacket": "재킷 자켓 점퍼 잠바 바람막이 윈드브레이커 아노락 집업 짚업 바시티자켓 과잠 야구점퍼 "
        "스타디움점퍼 플리스 후리스 뽀글이 무스탕 트위드자켓",
        "denim jacket": "jeanjacket 청자켓 청재킷 데님자켓 데님재킷 청점퍼 트러커자켓",
        "biker jacket": "가죽자켓 가죽재킷 레더자켓 레더재킷 라이더자켓 라이더재킷 라이더",
        "bomber jacket": "bomber 항공점퍼 항공자켓 봄버 봄버자켓 블루종",
        "coat": "overcoat topcoat peacoat 코트 롱코트 숏코트 반코트 더플코트 떡볶이코트 피코트 오버코트 "
        "퍼코트 야상 파카 레인코트 우비 사파리 케이프 판초",
        "wool coat": "울코트 핸드메이드코트 캐시미어코트",
        "trench coat": "trench 트렌치코트 트렌치 바바리 바바리코트 버버리코트",
        "parka coat": "parka",
        "windbreaker jacket": "windbreaker windcheater anorak",
        "blazer": "suitjacket 블레이저 블레이져 정장자켓 정장재킷 수트 슈트 정장 테일러드자켓",
    },
    "dress": {
        "dress": "원피스 드레스 미니원피스 미니드레스 미디원피스 티셔츠원피스 뷔스티에원피스",
        "maxi dress": "maxidress 롱원피스 맥시원피스 맥시드레스 롱드레스",
        "shirt dress": "shirtdress 셔츠원피스 셔츠드레스",
        "sweater dress": "니트원피스 니트드레스",
        "slip dress": "slipdress 슬립원피스 슬립드레스 나시원피스 끈원피스",
        "romper": "점프수트 점프슈트 올인원 멜빵바지 멜빵 오버롤 롬퍼",
    },
    "skirt": {
        "skirt": "치마 스커트 미디스커트 랩스커트 치마바지 캉캉치마",
        "mini skirt": "miniskirt 미니스커트 미니치마 짧은치마 테니스스커트 테니스치마 숏스커트",
        "maxi skirt": "롱스커트 롱치마 맥시스커트 긴치마 캉캉스커트",
        "pleated skirt": "플리츠스커트 플리츠치마 주름치마 주름스커트",
        "pencil skirt": "펜슬스커트 h라인스커트 h라인치마 에이치라인스커트",
        "a-line skirt": "a라인스커트 a라인치마 에이라인스커트 플레어스커트",
        "denim skirt": "청치마 청스커트 데님스커트 데님치마",
    },
    "pants": {
        "pants": "바지 팬츠 하의 긴바지",
        "trousers": "slack 슬랙스 정장바지 슬렉스 기모바지",
        "wide-leg trousers": "와이드팬츠 와이드바지 통바지 와이드슬랙스 나팔바지",
        "jeans": "denims 청바지 데님팬츠 데님바지 진 진바지 일자바지 와이드진 와이드데님 일자청바지",
        "bootcut trousers": "부츠컷 부츠컷팬츠 부츠컷바지",
        "bootcut jeans": "부츠컷청바지 부츠컷데님",
        "skinny jeans": "스키니 스키니진 스키니팬츠",
        "chinos": "면바지 치노 치노팬츠 코튼팬츠 골덴바지 코듀로이팬츠",
        "joggers": "tracksuit trackpants trackies 조거 조거팬츠 트레이닝바지 츄리닝 추리닝 트레이닝복 운동복 "
        "운동복바지 스웨트팬츠 스웻팬츠 트랙팬츠 고무줄바지 몸빼",
        "cargo trousers": "카고 카고바지 카고팬츠 건빵바지",
        "leggings": "레깅스 기모레깅스 요가바지 요가복 제깅스",
    },
    "shorts": {
        "shorts": "반바지 숏팬츠 쇼츠 숏츠 핫팬츠 짧은바지 반팬츠",
        "denim shorts": "jorts 청반바지 데님쇼츠 데님숏츠 데님반바지 청숏팬츠",
        "bermuda shorts": "버뮤다 버뮤다팬츠 오부바지",
        "running shorts": "러닝쇼츠 운동반바지 트레이닝반바지",
    },
    "shoes": {
        "shoes": "신발 슈즈 키높이신발",
        "sneakers": "trainer kicks 스니커즈 운동화 런닝화 러닝화 컨버스 캔버스화 등산화 농구화 축구화",
        "high-top sneakers": "하이탑 하이탑스니커즈",
        "pumps": "stiletto slingback 구두 하이힐 힐 펌프스 스틸레토 웨딩슈즈 킬힐 미들힐",
        "loafers": "로퍼 단화 옥스포드 옥스퍼드 더비슈즈 보트슈즈 모카신 드라이빙슈즈 정장구두 남자구두",
        "flats": "balletflat balletpump maryjane 플랫 플랫슈즈 메리제인 발레슈즈 발레리나슈즈",
        "sandals": "slide slipper flipflop 샌들 샌달 슬리퍼 슬라이드 쪼리 플립플랍 뮬 블로퍼 통굽샌들 크록스 "
        "조리 웨지힐 에스파드리유",
        "boots": "부츠 미들부츠 레인부츠 장화 털부츠 어그 어그부츠 방한화",
        "ankle boots": "bootie 앵클부츠 첼시부츠 첼시 워커 군화 숏부츠 워커부츠",
        "knee boots": "롱부츠 니하이부츠 싸이하이부츠",
    },
    "bag": {
        "bag": "가방 파우치 캐리어 여행가방 서류가방 백 힙색 보스턴백 더플백 미니백 명품백",
        "crossbody bag": "crossbody 크로스백 크로스바디백 크로스바디 메신저백 슬링백 웨이스트백 힙백",
        "shoulder bag": "숄더백 체인백 호보백",
        "tote bag": "tote 토트백 토트 에코백 쇼퍼백 숄더토트백 캔버스백 장바구니",
        "handbag": "핸드백 손가방 사첼백",
        "backpack": "rucksack knapsack 백팩 배낭 책가방",
        "bucket bag": "버킷백 복조리백 버켓백",
        "clutch": "클러치 클러치백 이브닝백",
        "wallet": "지갑 반지갑 장지갑 카드지갑 동전지갑",
    },
    "hat": {
        "hat": "모자 중절모자",
        "beanie": "비니 털모자 니트모자",
        "baseball cap": "캡 볼캡 캡모자 야구모자 스냅백 썬캡 선캡 볼캡모자",
        "bucket hat": "버킷햇 버켓햇 벙거지 벙거지모자 사파리햇",
        "beret": "베레모 베레",
        "fedora": "페도라 중절모",
        "sun hat": "밀짚모자 라피아햇 썬햇 선햇 파나마햇 챙모자 왕골모자",
    },
    "glasses": {
        "glasses": "안경 안경테 뿔테 뿔테안경",
        "round glasses": "동그란안경 둥근안경",
        "aviator sunglasses": "보잉선글라스 보잉",
        "sunglasses": "shades sunnies 선글라스 썬글라스 색안경 고글",
    },
    "belt": {
        "leather belt": "가죽벨트",
        "belt": "벨트 허리띠 혁대",
    },
    "scarf": {
        "scarf": "shawl stole pashmina 스카프 숄 두건 반다나 쁘띠스카프 트윌리",
        "knit scarf": "목도리 머플러 넥워머 워머",
        "silk scarf": "실크스카프 실크머플러",
        "tie": "넥타이 타이 보타이 나비넥타이",
    },
    "jewelry": {
        "jewelry": "주얼리 쥬얼리 장신구 액세서리 악세사리 악세서리 엑세서리 브로치",
        "necklace": "목걸이 네크리스 펜던트 초커 네클리스",
        "stud earrings": "studs",
        "earrings": "귀걸이 귀고리 이어링 피어싱 링귀걸이",
        "bangle": "뱅글",
        "bracelet": "팔찌 브레이슬릿 발찌",
        "ring": "반지 커플링 약지반지",
        "watch": "시계 손목시계",
    },
    "legwear": {
        "socks": "양말 발목양말 덧신 페이크삭스",
        "knee socks": "kneehigh 니삭스 니하이 니하이삭스 무릎양말",
        "tights": "stocking hosiery pantyhose 스타킹 타이츠 팬티스타킹 망사스타킹 검스",
    },
}  # fmt: skip

# What is no category of lookdex: it is told to the embedder, and understood where the shop's own words have it.
OTHERS = {
    "swimsuit": "수영복 비키니 래시가드 원피스수영복",
    "pyjamas": "잠옷 파자마 홈웨어",
    "underwear": "속옷 팬티 브라 언더웨어",
    "gloves": "장갑 글러브",
    "umbrella": "우산",
}  # fmt: skip

# Colour → what an embedder is told → what it is called; '' leaves the word as it stands.
COLOURS = {
    "black": {
        "black": "까만 까만색 검정색 검은색 새까만 먹색 블랙색 깜장",
        "": "blackish",
    },
    "grey": {
        "grey": "회색빛 쥐색 잿빛",
        "silver": "은색 실버",
        "dark grey": "차콜 진회색 챠콜 먹회색",
        "light grey": "연회색 라이트그레이",
        "": "gray greyish grayish silver charcoalgrey charcoal gunmetal",
    },
    "white": {
        "white": "하얀색 하양 새하얀 흰 오프화이트",
        "": "offwhite whitish snowwhite",
    },
    "beige": {
        "beige": "아이보리 아이보리색 상아색 크림색 크림 살구색 살색 누드 누드톤 오트밀 에크루 연베이지",
        "": "ivory cream ecru nude taupe oatmeal khaki sand peach apricot",
    },
    "brown": {
        "brown": "밤색 고동색 초콜릿색 초코 초코색 모카 모카색 커피색 진갈색",
        "camel": "카멜 카멜색 낙타색 연갈색",
        "": "tan camel chocolate mocha brownish chestnut cognac",
    },
    "red": {
        "red": "붉은 붉은색 새빨간 빨강색 다홍 다홍색 진빨강",
        "burgundy": "와인 와인색 버건디 자주색 팥색 마룬 maroon",
        "": "burgundy crimson scarlet reddish wine winered cherry darkred",
    },
    "orange": {
        "orange": "오렌지색 주홍 주홍색 코랄 코랄색 산호색 테라코타",
        "": "coral rust orangey salmon terracotta",
    },
    "yellow": {
        "yellow": "노랑색 샛노란 레몬색 옐로 개나리색 병아리색",
        "gold": "금색 골드",
        "mustard": "머스타드 머스터드 겨자색",
        "": "mustard yellowish lemon gold golden",
    },
    "green": {
        "green": "연두 연두색 그린색 국방색 쑥색 풀색 진초록 세이지",
        "olive": "카키 카키색 올리브 올리브색 국방",
        "": "olive greenish emerald sage forestgreen darkgreen lightgreen olivegreen",
    },
    "teal": {
        "teal": "터키색 터콰이즈 옥색 민트 민트색",
        "": "turquoise aqua cyan mint",
    },
    "blue": {
        "blue": "푸른 푸른색 파랑색 새파란 코발트 코발트색 로얄블루",
        "sky blue": "하늘색 하늘 스카이블루 소라 소라색 연하늘색 연파랑",
        "": "bluish cobalt skyblue babyblue lightblue royalblue denimblue indigo",
    },
    "navy": {
        "navy": "navyblue 곤색 감색 군청 군청색 네이비색 네이비블루 진남색",
        "": "darkblue midnightblue",
    },
    "purple": {
        "purple": "자색 라벤더 라벤더색 라일락 연보라 연보라색 바이올렛 진보라",
        "": "lavender lilac violet plum purplish mauve",
    },
    "pink": {
        "pink": "분홍빛 연분홍 진분홍 핫핑크 로즈 인디핑크 연핑크 핑크색 베이비핑크 마젠타",
        "": "pinkish magenta fuchsia hotpink rose babypink",
    },
}  # fmt: skip

# What else tells of a product, whether or not the shop's titles have the word: English, then what is told for Korean.
ENGLISH_LOOKS = (
    "animal argyle beaded camouflage camo colourful colorful crochet dark embroidered "
    "floral flower gingham graphic herringbone houndstooth leopard light logo metallic neon paisley pastel patchwork "
    "pattern patterned plain polka print printed quilted ribbed ruffled sequin shiny snakeskin stripe striped "
    "stripes tartan transparent zebra pleated ripped distressed frilly leopardprint tiedye "
    "canvas cashmere chiffon corduroy cotton denim down flannel fur knit knitted lace leather linen mesh patent rubber "
    "satin silk straw suede tweed velvet wool woollen "
    "baggy boho business casual cozy cropped elegant evening fitted formal gothic hooded long loose maxi midi mini "
    "oversized party preppy retro short sleeveless slim skinny sporty summer tailored vintage warm wedding wide winter "
    "spring autumn"
)
LOOKS = {
    "tartan": "plaid 체크 체크무늬 체크패턴 타탄 타탄체크 격자무늬",
    "gingham": "check checked checkered 깅엄 깅엄체크",
    "striped": "줄무늬 스트라이프 단가라 줄무늬패턴 세로줄",
    "floral": "꽃무늬 플로럴 플라워 꽃",
    "polka-dot": "polkadot dotted 물방울 물방울무늬 도트 도트무늬 땡땡이 땡땡이무늬 폴카도트",
    "leopard-print": "호피 호피무늬 레오파드 표범무늬",
    "camouflage": "카모 카모플라쥬 카무플라주 밀리터리 얼룩무늬 위장무늬",
    "argyle": "아가일",
    "houndstooth": "하운드투스 하운즈투스",
    "herringbone": "헤링본",
    "tweed": "트위드",
    "plain": "민무늬 무지 기본 베이직",
    "abstract-print": "무늬 프린트 프린팅 패턴 그래픽 페이즐리",
    "embroidered": "자수",
    "leather": "가죽 레더 인조가죽 소가죽",
    "denim": "데님 청 연청 중청 진청 흑청 생지",
    "satin": "새틴 실크 공단",
    "quilted": "퀼팅 누빔",
    "knitted": "뜨개 케이블",
    "corduroy": "코듀로이 코르덴 골덴",
    "straw": "라탄 밀짚 왕골 라피아",
    "wool": "울 캐시미어 모직 양털",
    "linen": "리넨 린넨 마",
    "cotton": "면 코튼",
    "lace": "레이스",
    "velvet": "벨벳 벨로아",
    "suede": "스웨이드 세무",
    "mesh": "메쉬 망사",
    "pleated": "플리츠 주름",
    "glossy": "에나멜 유광",
    "long": "긴 롱 맥시",
    "mini": "미니 짧은 숏",
    "wide": "와이드 통넓은",
    "skinny": "슬림 슬림핏",
    "oversized": "오버핏 루즈핏 오버사이즈 박시 박스핏",
    "cropped": "크롭",
    "summer": "여름 여름용",
    "winter": "겨울 겨울용 기모",
    "spring": "봄 간절기",
    "autumn": "가을",
    "casual": "캐주얼",
    "formal": "포멀 오피스룩",
    "vintage": "빈티지 레트로",
    "party": "파티",
    "wedding": "웨딩 하객",
}  # fmt: skip
