"""What lookdex's categories and colours are called in Korean: the first word is the one shown, all are understood."""

from __future__ import annotations


def colour_shown(name: str | None) -> str | None:
    """'red' → '빨간색'; None for None and for a colour without a Korean name."""
    words = COLOURS.get(name or "")
    return words[0] if words else None


def category_shown(name: str | None) -> str | None:
    """'dress' → '원피스'; None for None and for a label without a Korean name."""
    words = CATEGORIES.get(name or "")
    return words[0] if words else None


CATEGORIES: dict[str, tuple[str, ...]] = {
    "top": ("상의", "티셔츠", "셔츠", "블라우스", "니트"),
    "outerwear": ("아우터", "외투", "재킷", "자켓", "코트"),
    "dress": ("원피스", "드레스"),
    "skirt": ("치마", "스커트"),
    "pants": ("바지", "팬츠", "청바지"),
    "shorts": ("반바지", "숏팬츠"),
    "shoes": ("신발", "구두", "운동화", "부츠"),
    "bag": ("가방", "핸드백", "백팩"),
    "hat": ("모자", "캡"),
    "glasses": ("안경", "선글라스"),
    "belt": ("벨트", "허리띠"),
    "scarf": ("스카프", "목도리", "머플러", "넥타이"),
    "jewelry": ("주얼리", "장신구", "액세서리", "목걸이", "귀걸이", "팔찌", "반지"),
    "legwear": ("양말", "스타킹", "타이츠"),
}

COLOURS: dict[str, tuple[str, ...]] = {
    "black": ("검은색", "검은", "검정", "블랙"),
    "grey": ("회색", "그레이"),
    "white": ("흰색", "흰", "하얀", "화이트"),
    "beige": ("베이지색", "베이지"),
    "brown": ("갈색", "브라운"),
    "red": ("빨간색", "빨간", "빨강", "레드"),
    "orange": ("주황색", "주황", "오렌지"),
    "yellow": ("노란색", "노란", "노랑", "옐로우"),
    "green": ("초록색", "초록", "녹색", "그린"),
    "teal": ("청록색", "청록"),
    "blue": ("파란색", "파란", "파랑", "블루"),
    "navy": ("남색", "네이비"),
    "purple": ("보라색", "보라", "퍼플"),
    "pink": ("분홍색", "분홍", "핑크"),
}
