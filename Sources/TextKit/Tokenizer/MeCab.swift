import Glibc
import ShardKit

/// MeCab as a word splitter, loaded on demand: the library is not a build dependency.
///
/// Not thread-safe. Words are MeCab's surface forms, also split at white space of every kind, as in transformers'
/// `BertJapaneseTokenizer`, including white space that MeCab treats as part of a word (CR, FF, U+2028, …).
public final class MeCab {
  public enum Output: Sendable {
    /// The surface form of each word.
    case words
    /// The part of speech of each word: 名詞, 助詞, …
    case partsOfSpeech

    fileprivate var arguments: [String] {
      switch self {
      case .words: ["-Owakati"]
      case .partsOfSpeech: ["-F", "%f[0]\n", "-U", "%f[0]\n", "-E", ""]
      }
    }
  }

  private typealias New = @convention(c) (Int32, UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> OpaquePointer?
  private typealias Parse = @convention(c) (OpaquePointer, UnsafePointer<UInt8>, Int) -> UnsafePointer<UInt8>?
  private typealias Message = @convention(c) (OpaquePointer?) -> UnsafePointer<CChar>?
  private typealias Info = @convention(c) (OpaquePointer) -> UnsafeRawPointer?
  private typealias Version = @convention(c) () -> UnsafePointer<CChar>?
  private typealias Destroy = @convention(c) (OpaquePointer) -> Void

  private let tagger: OpaquePointer
  private let parse: Parse
  private let message: Message
  private let destroy: Destroy

  public static let remedy = "Install it with: apt-get install libmecab2 mecab-ipadic-utf8"

  private let information: UnsafeRawPointer?
  private let version: String
  public let dictionary: MeCabDictionary

  /// The file of the dictionary's words.
  public var dictionaryPath: String {
    information?.load(as: UnsafePointer<CChar>?.self).map { String(cString: $0) } ?? ""
  }

  /// - Parameter dictionary: a dictionary folder; nil for the system default, or, on a machine that has none, for the
  ///   dictionary that a release installs along with the program.
  /// - Throws: `TokenizerError` if MeCab is not installed or does not start, or the dictionary is not UTF-8.
  public init(dictionary: String? = nil, output: Output = .words) throws(TokenizerError) {
    guard let library = Self.openLibrary() else {
      throw TokenizerError("MeCab is not installed: libmecab.so.2 could not be loaded", hint: Self.remedy)
    }
    guard let new = dlsym(library, "mecab_new"), let parse = dlsym(library, "mecab_sparse_tostr2"),
      let message = dlsym(library, "mecab_strerror"), let destroy = dlsym(library, "mecab_destroy"),
      let info = dlsym(library, "mecab_dictionary_info"), let version = dlsym(library, "mecab_version")
    else { throw TokenizerError("libmecab.so.2 lacks functions of MeCab's C interface", hint: Self.remedy) }
    self.parse = unsafeBitCast(parse, to: Parse.self)
    self.message = unsafeBitCast(message, to: Message.self)
    self.destroy = unsafeBitCast(destroy, to: Destroy.self)
    let start = unsafeBitCast(new, to: New.self)
    let installed = dictionary == nil ? InstalledFiles.path("mecab/ipadic-utf8") : nil
    guard
      let tagger = Self.start(start, output, dictionary) ?? installed.flatMap({ Self.start(start, output, $0) })
    else {
      let said = Self.line(self.message(nil).map { String(cString: $0) } ?? "")
      let reason = said.allSatisfy { ". ".contains($0) } ? "it gives no reason" : said
      let folder = dictionary.map { " with the dictionary in \($0)" } ?? ""
      throw TokenizerError("MeCab failed to start\(folder): \(reason)", hint: Self.remedy)
    }
    self.tagger = tagger
    information = unsafeBitCast(info, to: Info.self)(tagger)
    self.version = unsafeBitCast(version, to: Version.self)().map { String(cString: $0) } ?? ""
    self.dictionary = MeCabDictionary(information)
    guard self.dictionary.isUTF8 else {
      // Destroyed by deinit.
      throw TokenizerError(
        "MeCab's dictionary uses \(self.dictionary.characterSet), but texts are in UTF-8",
        hint: "Use the folder of a UTF-8 build, such as /var/lib/mecab/dic/ipadic-utf8.")
    }
  }

  /// The system's library, else the one that a release installs along with the program; nil if there is none.
  private static func openLibrary() -> UnsafeMutableRawPointer? {
    dlopen("libmecab.so.2", RTLD_NOW | RTLD_LOCAL)
      ?? InstalledFiles.path("mecab/libmecab.so.2").flatMap { dlopen($0, RTLD_NOW | RTLD_LOCAL) }
  }

  private static func start(_ new: New, _ output: Output, _ dictionary: String?) -> OpaquePointer? {
    let words: [String] = ["mecab"] + output.arguments + (dictionary.map(Self.arguments) ?? [])
    var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) }
    defer { for argument in arguments { Glibc.free(argument) } }
    return new(Int32(arguments.count), &arguments)
  }

  /// A dictionary by its folder, with its own settings: the system's could add words from a user dictionary.
  private static func arguments(_ dictionary: String) -> [String] {
    let settings = dictionary + "/mecabrc"
    return ["-d", dictionary, "-r", access(settings, R_OK) == 0 ? settings : "/dev/null"]
  }

  deinit { destroy(tagger) }

  private static func line(_ text: String) -> String {
    text.split(whereSeparator: \.isNewline).joined(separator: " ")
  }

  // MARK: Identity

  /// MeCab's version and a hash of its dictionary files: what the words depend on besides the text. Reads the files.
  /// - Throws: `TokenizerError` if a file cannot be read.
  public func dictionaryIdentity() throws(TokenizerError) -> String {
    var identity = "mecab-\(version)"
    var information = information
    while let info = information {
      // Fields of `mecab_dictionary_info_t`: the path first, the next dictionary at byte 40.
      if let path = info.load(as: UnsafePointer<CChar>?.self) { identity += try Self.identity(String(cString: path)) }
      information = info.load(fromByteOffset: 40, as: UnsafeRawPointer?.self)
    }
    return identity
  }

  /// Includes the compiled dictionary, and the source tables next to it that system dictionaries have.
  private static func identity(_ path: String) throws(TokenizerError) -> String {
    let folder = ArchivePath.prefix(of: path)
    let beside = path.hasSuffix("/sys.dic") ? ["matrix.bin", "char.bin", "unk.dic", "dicrc"].map { folder + $0 } : []
    var hashes: [UInt64] = []
    for file in [path] + beside where access(file, F_OK) == 0 {
      do throws(ShardError) {
        let mapped = try MappedFile(file)
        hashes.append(recordHash(mapped.bytes))
        withExtendedLifetime(mapped) {}
      } catch {
        throw TokenizerError("MeCab's dictionary cannot be read: \(error.message)", hint: Self.remedy)
      }
    }
    return hashes.map { "-" + String($0, radix: 16) }.joined()
  }

  // MARK: Words

  /// MeCab uses about 230 bytes of memory per byte of text; longer texts are split at line ends.
  static let pieceBytes = 1 << 19

  /// Calls `body` with the bytes of each word of a normalized text, or of its part of speech. A NUL separates words.
  /// - Throws: `TokenizerError` if MeCab cannot read the text.
  public func forEachWord(
    _ text: UnsafeBufferPointer<UInt8>, _ body: (UnsafeBufferPointer<UInt8>) -> Void
  ) throws(TokenizerError) {
    var start = 0
    while start < text.count {
      let end = Self.pieceEnd(text, from: start)
      try forEachWord(ofPiece: UnsafeBufferPointer(rebasing: text[start..<end]), body)
      start = end < text.count && text[end] == 0 ? end + 1 : end
    }
  }

  /// At a NUL, or after the last line end or the last 。, or at a character boundary, within `pieceBytes`.
  private static func pieceEnd(_ text: UnsafeBufferPointer<UInt8>, from start: Int) -> Int {
    let limit = min(text.count, start + pieceBytes)
    if let nul = memchr(text.baseAddress! + start, 0, limit - start) {
      return UnsafeRawPointer(text.baseAddress!).distance(to: nul)
    }
    guard limit < text.count else { return limit }
    if let feed = text[start..<limit].lastIndex(of: 0x0A) { return feed + 1 }
    let stop = (start..<limit - 2).last { text[$0] == 0xE3 && text[$0 + 1] == 0x80 && text[$0 + 2] == 0x82 }
    if let stop { return stop + 3 }
    var end = limit
    while end > limit - 4, text[end] & 0xC0 == 0x80 { end -= 1 }
    return end
  }

  private func forEachWord(
    ofPiece text: UnsafeBufferPointer<UInt8>, _ body: (UnsafeBufferPointer<UInt8>) -> Void
  ) throws(TokenizerError) {
    guard let bytes = text.baseAddress, text.count > 0 else { return }
    guard let result = parse(tagger, bytes, text.count) else {
      let reason = message(tagger).map { String(cString: $0) } ?? "no reason given"
      throw TokenizerError("MeCab cannot read a text of \(text.count) bytes: \(Self.line(reason))")
    }
    let length = result.withMemoryRebound(to: CChar.self, capacity: 1) { strlen($0) }
    WhiteSpace.forEachWord(UnsafeBufferPointer(start: result, count: length), body)
  }
}
