import ShardKit

/// What a link prefix stands for.
enum WikiLinkPrefix: Sendable, Equatable {
  case file
  case category
  /// Another language's article: a link in the margin, no text. With a leading colon it is text.
  case language
  /// Another project (`wikt:`, `s:`): text, without the prefix.
  case project
  /// A local namespace that reads as text (`Help:`, `利用者:`), by its key.
  case namespace(Int)
}

/// One wiki: its names as the dump's siteinfo gives them, over the English and Japanese names every dump may use.
///
/// Only a *known* prefix is a namespace or an interwiki link. `Re:ゼロから始める異世界生活` is an article.
public struct WikiSite: Sendable {
  var databaseName = ""
  var siteName = ""
  /// The main page's address; its folder is where articles live.
  var base = ""
  var language = "ja"
  private(set) var prefixes = ByteNameTable<WikiLinkPrefix>()

  public init() {
    prefixes.insert(words: WikiNames.languages, .language)
    prefixes.insert(words: WikiNames.projects, .project)
    for (key, names) in WikiForeignNames.namespaces {
      for name in names.split(whereSeparator: { $0 == " " || $0 == "\n" }) {
        addNamespace(key: key, name: String(name))
        addNamespace(key: key, name: name.lowercased())
      }
    }
    for (key, names) in WikiNames.namespaces {
      for name in names.split(separator: " ") { addNamespace(key: key, name: String(name)) }
    }
  }

  /// Adds a namespace of siteinfo. The main namespace has no name and is not added.
  mutating func addNamespace(key: Int, name: String) {
    guard key != 0, !name.isEmpty else { return }
    switch key {
    case 6: prefixes.insert(name, .file)
    case 14: prefixes.insert(name, .category)
    default: prefixes.insert(name, .namespace(key))
    }
  }

  /// The namespace that a title's prefix names; 0 where the prefix is none known. For dumps without `<ns>`.
  public func namespace(ofTitle title: UnsafeBufferPointer<UInt8>) -> Int {
    guard let base = title.baseAddress, let colon = title.firstIndex(of: UInt8(ascii: ":")) else { return 0 }
    switch prefixes.value(base, colon) {
    case .file: return 6
    case .category: return 14
    case .namespace(let key): return key
    case .language, .project, nil: return 0
    }
  }

  /// The address that articles hang under, such as `https://ja.wikipedia.org/wiki/`; empty where unknown.
  public var articleBase: String { ArchivePath.prefix(of: base) }

  /// The name that document ids start with: siteinfo's dbname, or for old dumps the host's first label with "wiki".
  public var idPrefix: String {
    if !databaseName.isEmpty { return databaseName }
    let labels = base.split(separator: "/").dropFirst().first?.split(separator: ".") ?? []
    return labels.count >= 2 && labels[1] == "wikipedia" ? labels[0] + "wiki" : "wiki"
  }
}

/// Names that hold without siteinfo: MediaWiki's English names, their Japanese forms old and new, and the prefixes of
/// the languages and sister projects of Wikimedia.
enum WikiNames {
  static let namespaces: [(key: Int, names: String)] = [
    (-2, "Media メディア"), (-1, "Special 特別"), (1, "Talk ノート トーク"), (2, "User 利用者"),
    (3, "User_talk 利用者‐会話 利用者・トーク"), (4, "Project Wikipedia WP"), (5, "Wikipedia_talk Wikipedia‐ノート"),
    (6, "File Image ファイル 画像"), (7, "File_talk Image_talk ファイル‐ノート 画像‐ノート"), (8, "MediaWiki"),
    (9, "MediaWiki_talk MediaWiki‐ノート"), (10, "Template テンプレート"),
    (11, "Template_talk Template‐ノート テンプレート‐ノート"), (12, "Help ヘルプ"),
    (13, "Help_talk Help‐ノート ヘルプ・トーク"), (14, "Category カテゴリ"),
    (15, "Category_talk Category‐ノート カテゴリ‐ノート"), (100, "Portal ポータル"), (101, "Portal_talk Portal‐ノート"),
    (102, "WikiProject プロジェクト"), (103, "プロジェクト‐ノート"), (118, "Draft"), (710, "TimedText"),
    (828, "Module モジュール"), (829, "Module_talk モジュール‐ノート"),
  ]

  static let projects = """
    w wikipedia wikt wiktionary b wikibooks q wikiquote s wikisource n wikinews v wikiversity voy wikivoyage c
    commons d wikidata m meta metawikimedia mw mediawikiwiki species wikispecies wmf foundation phab phabricator
    bugzilla incubator outreach strategy translatewiki toolforge toollabs wikitech
    """

  static let languages = """
    aa ab ace ady af ak als alt am ami an ang ann anp ar arc ary arz as ast atj av avk awa ay az azb ba ban bar
    bat-smg bbc bcl bdr be be-tarask be-x-old bew bg bh bi bjn blk bm bn bo bpy br bs btm bug bxr ca cbk-zam cdo ce
    ceb ch cho chr chy ckb co cr crh cs csb cu cv cy da dag de dga din diq dsb dtp dty dv dz ee el eml en eo es et
    eu ext fa fat ff fi fiu-vro fj fo fon fr frp frr fur fy ga gag gan gcr gd gl glk gn gom gor got gpe gsw gu guc
    gur guw gv ha hak haw he hi hif ho hr hsb ht hu hy hyw hz ia iba id ie ig igl ii ik ilo inh io is it iu ja jam
    jbo jp jv ka kaa kab kbd kbp kcg kg kge ki kj kk kl km kn knc ko koi kr krc ks ksh ku kus kv kw ky la lad lb lbe
    lez lfn lg li lij lld lmo ln lo lrc lt ltg lv lzh mad mai map-bms mdf mg mh mhr mi min mk ml mn mni mnw mo mos
    mr mrj ms mt mus mwl my myv mzn na nah nan nap nb nds nds-nl ne new ng nia nl nn no nov nqo nr nrm nso nup nv ny
    oc olo om or os pa pag pam pap pcd pcm pdc pdt pfl pi pih pl pms pnb pnt ps pt pwn qu rm rmy rn ro roa-rup
    roa-tara rsk ru rue rup rw sa sah sat sc scn sco sd se sg sgs sh shi shn si simple sk skr sl sm smn sn so sq sr
    srn ss st stq su sv sw syl szl szy ta tay tcy tdd te tet tg th ti tig tk tl tlh tly tn to tok tpi tr trv ts tt
    tum tw ty tyv udm ug uk ur uz ve vec vep vi vls vo vro wa war wo wuu xal xh xmf yi yo yue za zea zgh zh zh-cfr
    zh-classical zh-cn zh-min-nan zh-tw zh-yue zu
    """
}
