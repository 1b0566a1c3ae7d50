/// Whether a bracketed citation is part of its sentence: the subject of a verb ("[3] reported that", "In 2004, [3]
/// showed"), or, in Japanese, the word before a particle (「[3]によれば」「これは[3]を参照」).
///
/// Most citations follow the text they support, even after a full stop, and are not part of it: "as shown. [3] The",
/// 「手法[3]を用いた」. So a particle counts only if the citation does not follow such text: at the start, after a
/// comma, after another particle or after 文献.
enum CitationRole {
  /// - Parameters:
  ///   - last: the end of the text before the citation.
  ///   - next: the start of the text after it.
  ///   - hadSpace: whether there was a space before it.
  static func isPart(behind last: ArraySlice<UInt8>, before next: UnsafeBufferPointer<UInt8>, hadSpace: Bool) -> Bool {
    let last = Array(last.reversed().drop { $0 == 32 }.reversed())
    let words = words(next)
    if !words.isEmpty { return isSubject(last, words, hadSpace) }
    return hasParticle(last, next)
  }

  // MARK: English

  private static func isSubject(_ last: [UInt8], _ words: [String], _ hadSpace: Bool) -> Bool {
    var words = words[...]
    if adverbs.contains(words[0]) { words = words.dropFirst() }
    guard let verb = words.first else { return false }
    if last.isEmpty { return reports.contains(verb) || verbs.contains(verb) }
    guard hadSpace else { return false }
    if endsSentence(last) { return reports.contains(verb) || verbs.contains(verb) }
    // "…, [3] described by": the citation is not the subject of the verb.
    guard reports.contains(verb), !isParticiple(words) else { return false }
    return last.last == UInt8(ascii: ",") || conjunctions.contains(lastWord(last))
  }

  private static func isParticiple(_ words: ArraySlice<String>) -> Bool {
    guard words.count > 1 else { return false }
    return ["by", "previously", "elsewhere", "earlier", "above", "below", "as", "in", "for", "to", "with", "from"]
      .contains(words[words.startIndex + 1])
  }

  /// Up to three words in small letters at the start; none if another character ends the first.
  private static func words(_ text: UnsafeBufferPointer<UInt8>) -> [String] {
    var words: [String] = []
    var index = text.firstIndex { $0 != 32 } ?? text.count
    while words.count < 3 {
      let end = text[index...].firstIndex { $0 &- 0x61 >= 26 } ?? text.count
      let isWord = end == text.count || [32, 0x2C].contains(text[end])
      guard end > index, isWord else { break }
      words.append(String(decoding: text[index..<end], as: UTF8.self))
      guard end < text.count, text[end] == 32 else { break }
      index = end + 1
    }
    return words
  }

  private static func lastWord(_ text: [UInt8]) -> String {
    String(decoding: text.reversed().prefix { ($0 | 0x20) &- 0x61 < 26 }.reversed(), as: UTF8.self)
  }

  /// Whether the text ends in a full stop that is not part of an abbreviation: "Smith et al. [3] reported".
  private static func endsSentence(_ text: [UInt8]) -> Bool {
    guard let stop = text.last, ".!?".utf8.contains(stop) else { return false }
    guard stop == UInt8(ascii: ".") else { return true }
    let body = text.dropLast()
    let word = lastWord(Array(body))
    let isInitial = word.utf8.count < 2 && body.last.map { $0 < 0x80 && ($0 | 0x20) &- 0x61 < 26 } ?? false
    return !isInitial && !abbreviations.contains(word.lowercased())
  }

  private static let abbreviations: Set<String> = [
    "al", "fig", "figs", "ref", "refs", "eq", "eqs", "no", "nos", "vs", "etc", "cf", "ca", "approx", "eg", "ie", "dr",
    "mr", "mrs", "st", "sp", "spp", "var", "vol", "et", "co", "inc", "ltd", "jr", "sect", "sec", "chap", "tab", "viz",
  ]

  private static let conjunctions: Set<String> = [
    "but", "whereas", "while", "although", "though", "that", "because", "when", "if", "where", "whether", "However",
  ]

  private static let adverbs: Set<String> = [
    "also", "first", "recently", "later", "further", "then", "clearly", "only", "already", "even", "both",
  ]

  /// Verbs for what authors do.
  private static let reports: Set<String> = [
    "showed", "shows", "show", "reported", "reports", "report", "found", "finds", "find", "demonstrated",
    "demonstrates",
    "demonstrate", "proposed", "proposes", "propose", "suggested", "suggests", "suggest", "described", "describes",
    "describe", "presented", "presents", "present", "introduced", "introduces", "introduce", "developed", "develops",
    "observed", "observes", "concluded", "concludes", "conclude", "argued", "argues", "argue", "stated", "states",
    "noted", "notes", "note", "investigated", "studied", "studies", "study", "examined", "examines", "examine",
    "compared", "compares", "compare", "analyzed", "analyzed", "used", "uses", "use", "considered", "considers",
    "discussed", "discusses", "discuss", "claimed", "claims", "claim", "estimated", "obtained", "provided", "provides",
    "provide", "reviewed", "reviews", "review", "gave", "gives", "give", "made", "applied", "extended", "identified",
    "measured", "performed", "conducted", "established", "revealed", "indicated", "indicates", "indicate", "derived",
    "employed", "explored", "evaluated", "tested", "calculated", "computed", "published",
  ]

  /// Other verbs after a subject that begins the sentence.
  private static let verbs: Set<String> = [
    "is", "are", "was", "were", "has", "have", "had", "did", "does", "do", "can", "could", "may", "might", "will",
    "would", "should", "contains", "contain", "includes", "include", "gets", "get",
  ]

  // MARK: Japanese

  private static func hasParticle(_ last: [UInt8], _ next: UnsafeBufferPointer<UInt8>) -> Bool {
    func begins(_ words: [[UInt8]]) -> Bool { words.contains { next.starts(with: $0) } }
    func ends(_ words: [[UInt8]]) -> Bool {
      words.contains { last.count >= $0.count && last.suffix($0.count).elementsEqual($0) }
    }
    if last.isEmpty || ends(documents) { return begins(particles) }
    // After these a new word may begin: 「。[3]とくに」.
    if ends(stops) { return begins(clearParticles) }
    return ends(particlesBefore) && !ends(nouns) && begins(particles)
  }

  private static func bytes(_ words: String) -> [[UInt8]] { words.split(separator: " ").map { Array($0.utf8) } }

  private static let particles = bytes("に で を は が と の も から より へ や および 及び")
  private static let clearParticles = bytes(
    "を によ にお に従 に基 に示 に述 に記 に詳 で述 で示 で提 で報 で用 で使 で行 で得 で紹 で論 で議 の方 の手 の結 のよう の著")
  private static let stops = bytes("。 、 ， ． ！ ？ : ： ; ；")
  private static let particlesBefore = bytes("は が を に で と の も から より や ／")
  /// Words that end like particles.
  private static let nouns = bytes("もの こと もと ひと あと さと おと くに ところが たが だが るが いが ても でも とも ので のに")
  private static let documents = bytes("文献 論文 文献番号")
}
