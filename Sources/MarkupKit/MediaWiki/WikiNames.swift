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
