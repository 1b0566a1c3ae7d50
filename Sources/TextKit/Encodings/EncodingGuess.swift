/// Guesses the encoding of bytes from the frequency of the characters that each encoding yields.
///
/// Nearly all bytes are valid characters in nearly every double-byte encoding, but the wrong one yields rare
/// characters: a language's most frequent ones make up half of a text in it, but only a few percent of mojibake.
enum EncodingGuess {
  private static let sampleBytes = 1 << 16
  /// This many bytes of ASCII after others no longer belong to a character.
  private static let gapBytes = 16

  /// The non-ASCII parts, with some of the text between them: styles and scripts may fill the beginning of a page.
  private static func sample(_ bytes: UnsafeBufferPointer<UInt8>) -> [UInt8] {
    var out: [UInt8] = []
    var last = -gapBytes - 1
    for (at, byte) in bytes.enumerated() {
      if byte >= 0x80 { last = at }
      if at - last <= gapBytes { out.append(byte) }
      if out.count == sampleBytes { break }
    }
    return out
  }

  /// Counts of the characters that a decoder produced from a sample.
  private struct Census {
    /// Characters outside ASCII.
    var count = 0
    var frequent = 0
    var kana = 0
    var halfWidth = 0
    var replaced = 0

    init(_ text: [UInt8], _ frequentOnes: Set<UInt32>) {
      text.withUnsafeBufferPointer { text in
        UTF8Scanning.forEachScalar(text) { scalar, _, _ in
          guard scalar >= 0x80 else { return }
          switch scalar {
          case 0xFFFD, UTF8Scanning.malformed: replaced += 1
          case 0x3041...0x3096, 0x30A1...0x30FC: kana += 1
          case 0xFF61...0xFF9F: halfWidth += 1
          case _ where frequentOnes.contains(scalar): frequent += 1
          default: break
          }
          count += 1
        }
      }
    }

    /// Kana hardly occur by chance.
    var evidence: Int { 2 * kana + frequent }
    /// Half-width kana are no evidence: EUC-JP decoded as Shift_JIS is full of them, and so are some pages.
    func isEnough(_ least: Double) -> Bool {
      Double(evidence) >= 3 + least * Double(count - halfWidth) && evidence * 20 >= count && replaced * 20 <= count
    }
    var share: Double { Double(evidence - 10 * replaced) / Double(max(1, count)) }
  }

  private struct Candidate {
    var name: String
    var frequent: Set<UInt32>
    /// The minimum fraction of characters that must be frequent ones.
    var least: Double

    init(_ name: String, _ frequent: String, _ least: Double) {
      self.name = name
      self.frequent = Set(frequent.unicodeScalars.map(\.value))
      self.least = least
    }
  }

  // swift-format-ignore
  private static let kanji = """
    日一国会人年大十二本中長出三同時政事自行社見月分議後前民生連五発間対上部東者党地合市業内相方四定今回新場金員九入選立開手米力学問高
    代明実円関決子動京全目表戦経通外最言氏現理調体化田当八六約主題下首意法不来作性的要用制治度務強気小七成期公野協取都和統以機平総加山
    思家話世受区領多県続進正安設保改数記院女初北午指権心界支第産結百派点教報済書府活原先共得解名交資予川向際査勝面委告軍文反元重近千考
    判認画海参売利組知案道信策集在件団別物側任引使求所次水半品昨論計死官増係感特情投示変打男基私各始島直両朝革価式確村提運終挙果西勢減
    台広容必応演電歳住争談能無再位置企真流格有疑口過局少放税検町常校料状工建語球営空職証土与急止送援供可役構木割聞身費付施切由説転食比
    難防補車優夫研収断何南石足違消境神番規術護展態導備宅害配副算視条幹独警宮究育席輸訪楽起万着乗店述残想線率病農州武声質念待試族象銀域
    助労例衛然早張映限親額監環験追審商葉義伝働形景落担好退準賞訴辺造英被株頭技低毎医復仕去姿味負閣渡失移差衆個門写評課末守若極種美影命
    含福量望松非観察整段横型白深字答夜製票況音申様財港識注呼達、。「」・ー
    """
  // swift-format-ignore
  private static let candidates = [
    Candidate("shift_jis", kanji, 0.25),
    Candidate("euc-jp", kanji, 0.25),
    Candidate("gb18030", "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所然家种事成方多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心本前开但因只从想实，。、", 0.3),
    Candidate("big5", "的一是不了在人有我他這個們中來上大為和國地到以說時要就出會可也你對生能而子那得於著下自之年過發後作里用道行所然家種事成方多經麼去法學如都同現當沒動面起看定天分還進好小部其些主樣理心本前開但因只從想實，。、", 0.3),
    Candidate("euc-kr", "이다는을의에가하고지로한도은를서나리기사자어대시인아라정보여니해수일부전그", 0.35),
    Candidate("koi8-r", "оеаинтсрвлкмдпу", 0.5),
    Candidate("windows-1251", "оеаинтсрвлкмдпу", 0.5),
  ]

  /// UTF-8 with a few errors, or else the encoding that yields the most frequent characters, or else windows-1252.
  static func guess(_ bytes: UnsafeBufferPointer<UInt8>) -> DecodedPage {
    if PageEncoding.holdsShift(bytes), let page = PageEncoding.decode(bytes, as: "iso-2022-jp"),
      page.replacedFraction < 0.01
    {
      return page
    }
    if isUTF8WithFaults(bytes), let page = PageEncoding.decode(bytes, as: "utf-8") { return page }
    if let name = likeliest(sample(bytes)), let page = PageEncoding.decode(bytes, as: name) { return page }
    let unreadable = DecodedPage(text: [], encoding: "", replacedFraction: 1)
    return isLatin(bytes) ? PageEncoding.decode(bytes, as: "windows-1252") ?? unreadable : unreadable
  }

  private static func likeliest(_ sample: [UInt8]) -> String? {
    var best: (name: String, share: Double)?
    for candidate in candidates {
      guard let census = census(sample, candidate) else { continue }
      if census.isEnough(candidate.least), census.share > best?.share ?? 0 { best = (candidate.name, census.share) }
    }
    return best?.name
  }

  /// Most letters of a language written in windows-1252 are ASCII; of binary data, half of the bytes are not.
  private static func isLatin(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
    let first = bytes.firstIndex { $0 >= 0x80 } ?? 0
    let part = bytes[max(0, first - sampleBytes / 2)...].prefix(sampleBytes)
    let outside = part.count { $0 >= 0x80 }
    return outside < 64 || outside * 2 < part.count
  }

  /// Whether a label is plausible for the bytes, given that they can be decoded with it.
  static func fits(_ label: String, _ page: DecodedPage, _ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
    if label == "utf-8" { return page.replacedFraction == 0 || isUTF8WithFaults(bytes) }
    guard label == "shift_jis" else { return true }
    // In that encoding, all of EUC-JP's bytes are half-width kana.
    let sample = sample(bytes)
    guard sample.contains(where: { 0xA1...0xDF ~= $0 }), let own = census(sample, candidates[0]),
      own.halfWidth * 4 > own.count, let other = census(sample, candidates[1])
    else { return true }
    return !(other.isEnough(candidates[1].least) && other.share > own.share)
  }

  /// The character counts that a candidate yields for a sample.
  private static func census(_ sample: [UInt8], _ candidate: Candidate) -> Census? {
    let page = sample.withUnsafeBufferPointer { PageEncoding.decode($0, as: candidate.name) }
    return page.map { Census($0.text, candidate.frequent) }
  }

  /// Whether most of the non-ASCII bytes are valid UTF-8; in other encodings almost none are.
  private static func isUTF8WithFaults(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
    var (good, faults) = (0, 0)
    UTF8Scanning.forEachScalar(bytes) { scalar, _, _ in
      if scalar >= 0x80 { if scalar == UTF8Scanning.malformed { faults += 1 } else { good += 1 } }
    }
    return faults * 8 < good
  }
}
