import Glibc

/// MeCab as a word splitter, loaded when asked for: the library is no dependency of the build.
///
/// One thread at a time. Words are MeCab's surfaces, as in transformers' `BertJapaneseTokenizer`.
public final class MeCab {
  public enum Output: Sendable {
    /// Each word as it stands.
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
  private typealias Destroy = @convention(c) (OpaquePointer) -> Void

  private let tagger: OpaquePointer
  private let parse: Parse
  private let message: Message
  private let destroy: Destroy

  public static let remedy = "Install it with: apt-get install libmecab2 mecab-ipadic-utf8"

  /// The dictionary's character set, words and contexts, as far as its header says: another one gives other words.
  public let dictionaryIdentity: String

  /// - Parameter dictionary: a dictionary's folder; nil for the system's own choice.
  public init(dictionary: String? = nil, output: Output = .words) throws(TokenizerError) {
    guard let library = dlopen("libmecab.so.2", RTLD_NOW | RTLD_LOCAL) else {
      throw TokenizerError("MeCab is not installed: libmecab.so.2 cannot be loaded", hint: Self.remedy)
    }
    guard let new = dlsym(library, "mecab_new"), let parse = dlsym(library, "mecab_sparse_tostr2"),
      let message = dlsym(library, "mecab_strerror"), let destroy = dlsym(library, "mecab_destroy"),
      let info = dlsym(library, "mecab_dictionary_info")
    else { throw TokenizerError("libmecab.so.2 lacks functions of MeCab's C interface", hint: Self.remedy) }
    self.parse = unsafeBitCast(parse, to: Parse.self)
    self.message = unsafeBitCast(message, to: Message.self)
    self.destroy = unsafeBitCast(destroy, to: Destroy.self)
    let words: [String] = ["mecab"] + output.arguments + (dictionary.map { ["-d", $0] } ?? [])
    var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) }
    defer { for argument in arguments { Glibc.free(argument) } }
    guard let tagger = unsafeBitCast(new, to: New.self)(Int32(arguments.count), &arguments) else {
      let reason = self.message(nil).map { String(cString: $0) } ?? "no reason given"
      throw TokenizerError("MeCab cannot start: \(Self.line(reason))", hint: Self.remedy)
    }
    self.tagger = tagger
    dictionaryIdentity = Self.identity(unsafeBitCast(info, to: Info.self)(tagger))
  }

  deinit { destroy(tagger) }

  private static func line(_ text: String) -> String {
    text.split(whereSeparator: \.isNewline).joined(separator: " ")
  }

  /// Fields of `mecab_dictionary_info_t`: file name, character set, then 32-bit numbers: words, kind, left and right
  /// contexts; then the version in 16 bits.
  private static func identity(_ info: UnsafeRawPointer?) -> String {
    guard let info else { return "" }
    let name = info.load(fromByteOffset: 8, as: UnsafePointer<CChar>?.self)
    let numbers = stride(from: 16, to: 32, by: 4).map { String(info.load(fromByteOffset: $0, as: UInt32.self)) }
    return ([name.map { String(cString: $0) } ?? ""] + numbers).joined(separator: "-")
  }

  /// Calls `body` with the bytes of each word of a normalised text, or of its part of speech.
  public func forEachWord(
    _ text: UnsafeBufferPointer<UInt8>, _ body: (UnsafeBufferPointer<UInt8>) -> Void
  ) throws(TokenizerError) {
    guard let bytes = text.baseAddress, text.count > 0 else { return }
    guard let result = parse(tagger, bytes, text.count) else {
      let reason = message(tagger).map { String(cString: $0) } ?? "no reason given"
      throw TokenizerError("MeCab cannot read a text of \(text.count) bytes: \(Self.line(reason))")
    }
    var start = 0, i = 0
    while true {
      let byte = result[i]
      if byte == 0x20 || byte == 0x0A || byte == 0 {
        if i > start { body(UnsafeBufferPointer(start: result + start, count: i - start)) }
        if byte == 0 { return }
        start = i + 1
      }
      i += 1
    }
  }
}
