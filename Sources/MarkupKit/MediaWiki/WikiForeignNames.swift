/// Names that the wikis of other languages have for files and categories, and the options of their images.
///
/// A dump's siteinfo gives the names in force, but not the old ones and the aliases that articles still use.
enum WikiForeignNames {
  static let namespaces: [(key: Int, names: String)] = [(6, files), (14, categories)]

  private static let files = """
    Datei Bild Fichier Archivo Imagen Immagine Ficheiro Arquivo Imagem Bestand Afbeelding Fil Bilde Bilete Billede
    Tiedosto Kuva Plik Grafika Soubor Súbor Obrázok Obrázek Fájl Kép Fișier Fişier Imagine Imaginea Lêer Beeld Fitxer
    Imatge Imaxe Fichièr Fitxategi Irudi Dosiero Pilt Attēls Vaizdas Datoteka Slika Dosya Resim Fayl Şəkil Berkas Gambar
    Tập_tin Hình Delwedd Íomhá Skeudenn Talaksan
    Файл Изображение Изображения Зображення Выява Картинка Датотека Слика Податотека Сурет Зураг Αρχείο Εικόνα
    קובץ תמונה ملف صورة پرونده تصویر فائل चित्र चित्रम् চিত্র படிமம் బొమ్మ దస్త్రం ไฟล์ ภาพ 파일 그림 文件 档案 檔案 图像 圖像
    Պատկեր ფაილი სურათი
    """

  private static let categories = """
    Kategorie Catégorie Categoría Categoria Categorie Kategori Luokka Kategoria Kategória Kategorija Kateqoriya Kategorio
    Kategooria Kategoriya Thể_loại Категория Категорія Катэгорыя Категорија Санат Ангилал Κατηγορία קטגוריה تصنيف رده
    زمرہ श्रेणी বিষয়শ্রেণী หมวดหมู่ 분류 分类 分類
    """

  static let imageKeywords = """
    thumb thumbnail frame framed enframed frameless border right left center centre none upright baseline middle sub super
    sup text-top text-bottom top bottom サムネイル サムネ フレーム フレームなし ボーダー 境界 右 左 中央 なし 無し 右上 下線 中心 上付き 下付き
    上端 文上端 下端 文下端 ベースライン
    mini miniatur rand zentriert gerahmt rahmenlos links rechts mitte ohne hochkant grundlinie oben unten hoch tief
    hochgestellt tiefgestellt text-oben text-unten
    vignette bordure centré cadre encadré encadre sans_cadre non_encadré non_encadre gauche droite milieu néant neant
    redresse ligne-de-base bas haut indice exposant
    miniatura miniaturadeimagen borde centro centrado centrada centrar marco enmarcado enmarcada sinmarco sin_enmarcar
    sinenmarcar izquierda izda izq derecha dcha ninguna ninguno nada medio abajo arriba
    min bordo riquadrato originale incorniciato senza_cornice sinistra destra metà nessuno verticale sotto sopra pedice
    miniaturadaimagem borda commoldura comborda semmoldura semborda esquerda direita meio nenhum superiordireito acima
    abaixo
    miniatuur omkaderd kaderloos geen gecentreerd rechtop grondlijn midden boven beneden
    duimnael raam raamloos regs geenraam senter
    miniatyr kantlinje ram inramad ramlös vänster höger ingen centrerad stående mitten botten topp
    ramme rammeløs venstre høyre sentrer senter midtstilt portrett midt bunn
    mały ramka bezramki bez_ramki lewo prawo centruj brak skala skaluj środek góra dół tło
    мини миниатюра справа слева центр без обрамить безрамки граница мініатюра праворуч ліворуч
    缩略图 缩略 縮圖 有框 无框 無框 边框 邊框 左侧 右侧 居中 无 直立 섬네일 썸네일 왼쪽 오른쪽 가운데 없음 프레임 테두리
    """

  static let imageParameters = """
    alt link page upright thumb thumbnail lang class start end thumbtime lossy 代替文 代替画像 リンク ページ サムネイル サムネ 右上 言語 クラス
    alternativtext klasse sprache verweis seite mini miniatur hochkant classe langue lien vignette redresse idioma vínculo
    vinculo enlace miniaturadeimagen miniatura pagina página ligação miniaturadaimagem superiordireito min verticale taal
    koppeling verwijzing miniatuur rechtop länk sida miniatyr stående språk lenke side portrett mały strona skala skaluj
    ссылка альт мини страница 链接 替代文本
    """
}
