/** Sample photos: looks 27, 5, 14, 11, 15 and 3 of `lookdex sample --products 40 --looks 40 --seed 1`. */

/**
 * @typedef {object} Sample
 * @property {string} file In `samples/`.
 * @property {number} width
 * @property {number} height
 * @property {string} en What it shows.
 * @property {string} ko
 */

/** @type {Sample & {boxes: [number, number, number, number, string, string][]}} Boxes as found by lookdex-tiny. */
export const HERO = {
  file: "orange-dress.webp", width: 520, height: 780,
  en: "an orange dress under a green jacket", ko: "주황 원피스에 초록 재킷",
  boxes: [
    [166, 168, 367, 644, "Dress", "원피스"], [133, 137, 403, 393, "Jacket", "재킷"], [220, 62, 308, 98, "Glasses", "안경"],
    [329, 420, 450, 527, "Bag", "가방"], [90, 664, 410, 759, "Shoes", "신발"],
  ],
};

/** @type {Sample[]} */
export const SAMPLES = [
  { file: "green-jacket.webp", width: 520, height: 780, en: "jeans, a jacket and a hat", ko: "청바지와 재킷, 모자" },
  { file: "pink-trousers.webp", width: 520, height: 743, en: "pink trousers and glasses", ko: "분홍 바지와 안경" },
  { file: "dotted-skirt.webp", width: 520, height: 780, en: "a dotted skirt and pumps", ko: "물방울 치마와 구두" },
  { file: "city-layers.webp", width: 520, height: 780, en: "layers in the city", ko: "도시의 레이어드 룩" },
  { file: "floral-dress.webp", width: 520, height: 743, en: "a floral dress and boots", ko: "꽃무늬 원피스와 부츠" },
];
