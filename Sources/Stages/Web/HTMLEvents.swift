import CXML2
import Glibc

/// libxml2's HTML reader, which makes elements of whatever it is given and calls back; no tree is built.
///
/// What it does not bound itself is bounded here: depth, and attributes of one tag, whose names it compares each with
/// each. It opens no file and no connection, and HTML has no entities to expand but those of the standard.
enum HTMLEvents {
  /// Browsers cut the tree there too.
  static let maximumDepth = 512
  static let maximumAttributes = 4096

  /// Reads a page.
  /// - Parameter text: UTF-8 without NUL.
  /// - Returns: false where it could not be read to its end, being too deep or no page at all.
  static func read(_ text: UnsafeBufferPointer<UInt8>, into reader: HTMLReader) -> Bool {
    _ = WikiDumpEvents.library
    guard let base = text.baseAddress, text.count < Int32.max else { return text.isEmpty }
    guard !holdsEndlessTag(text) else { return false }
    guard let context = htmlNewParserCtxt() else { return false }
    defer { htmlFreeParserCtxt(context) }
    context.pointee.sax.pointee = handler
    context.pointee.userData = Unmanaged.passUnretained(reader).toOpaque()
    let options =
      HTML_PARSE_RECOVER.rawValue | HTML_PARSE_NOERROR.rawValue | HTML_PARSE_NOWARNING.rawValue
      | HTML_PARSE_NONET.rawValue | HTML_PARSE_IGNORE_ENC.rawValue
    reader.stop = { xmlStopParser(context) }
    defer { reader.stop = {} }
    base.withMemoryRebound(to: CChar.self, capacity: text.count) { base in
      let tree = htmlCtxtReadMemory(context, base, Int32(text.count), nil, "UTF-8", Int32(options))
      if let tree { xmlFreeDoc(tree) }
    }
    return !reader.isTooDeep
  }

  private static var handler: xmlSAXHandler {
    var handler = xmlSAXHandler()
    handler.initialized = 1
    handler.startElement = { context, name, attributes in
      HTMLEvents.reader(context).start(name!, HTMLAttributes(base: attributes))
    }
    handler.endElement = { context, _ in HTMLEvents.reader(context).end() }
    handler.characters = { context, bytes, count in HTMLEvents.reader(context).text(bytes!, Int(count)) }
    handler.ignorableWhitespace = handler.characters
    return handler
  }

  @inline(__always)
  private static func reader(_ context: UnsafeMutableRawPointer?) -> HTMLReader {
    Unmanaged<HTMLReader>.fromOpaque(context!).takeUnretainedValue()
  }

  // MARK: Bounds

  /// Whether a tag may have so many attributes that comparing their names takes its time from all others.
  ///
  /// Goes over every place where a tag may begin, as the parser would.
  static func holdsEndlessTag(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
    let bytes = text.baseAddress!
    var at = 0
    var work = 0
    while at < text.count, let hit = memchr(bytes + at, 0x3C, text.count - at) {
      at = UnsafePointer(hit.assumingMemoryBound(to: UInt8.self)) - bytes + 1
      guard at < text.count, (bytes[at] | 0x20) &- 0x61 < 26 else { continue }
      let (attributes, end) = attributes(bytes, at, text.count)
      work += end - at
      if attributes > maximumAttributes || work > text.count * 16 + 1 << 20 { return true }
    }
    return false
  }

  private static func attributes(_ bytes: UnsafePointer<UInt8>, _ start: Int, _ end: Int) -> (count: Int, end: Int) {
    var at = start
    var count = 0
    func skip(_ isSkipped: (UInt8) -> Bool) { while at < end, isSkipped(bytes[at]) { at += 1 } }
    skip { $0 > 32 && $0 != 0x3E && $0 != 0x2F }
    skip { $0 <= 32 || $0 == 0x2F }
    while at < end, bytes[at] != 0x3E, count <= maximumAttributes {
      count += 1
      skip { $0 > 32 && $0 != 0x3E && $0 != 0x3D && $0 != 0x2F && $0 != 0x22 && $0 != 0x27 }
      skip { $0 <= 32 }
      if at < end, bytes[at] == 0x3D {
        at += 1
        skip { $0 <= 32 }
        if at < end, bytes[at] == 0x22 || bytes[at] == 0x27 {
          let hit = memchr(bytes + at + 1, Int32(bytes[at]), end - at - 1)
          at = hit.map { UnsafePointer($0.assumingMemoryBound(to: UInt8.self)) - bytes + 1 } ?? end
        } else {
          skip { $0 > 32 && $0 != 0x3E }
        }
      } else if at < end, bytes[at] == 0x22 || bytes[at] == 0x27 || bytes[at] == 0x2F {
        at += 1
      }
      skip { $0 <= 32 }
    }
    return (count, at)
  }
}

/// An element's attributes as libxml2 hands them: name and value in turn, a value maybe missing, nil at the end.
struct HTMLAttributes {
  var base: UnsafeMutablePointer<UnsafePointer<xmlChar>?>?

  func forEach(_ body: (_ name: UnsafePointer<UInt8>, _ value: UnsafePointer<UInt8>, _ count: Int) -> Void) {
    guard var at = base else { return }
    while let name = at[0] {
      if let value = at[1] {
        body(name, value, strlen(UnsafeRawPointer(value).assumingMemoryBound(to: CChar.self)))
      } else {
        body(name, Self.empty, 0)
      }
      at += 2
    }
  }

  private nonisolated(unsafe) static let empty: UnsafePointer<UInt8> = {
    let empty = UnsafeMutablePointer<UInt8>.allocate(capacity: 1)
    empty.pointee = 0
    return UnsafePointer(empty)
  }()

  static func equal(_ name: UnsafePointer<UInt8>, _ word: StaticString) -> Bool {
    strcasecmp(
      UnsafeRawPointer(name).assumingMemoryBound(to: CChar.self),
      UnsafeRawPointer(word.utf8Start).assumingMemoryBound(to: CChar.self)) == 0
  }

  static func string(_ value: UnsafePointer<UInt8>, _ count: Int) -> String {
    String(decoding: UnsafeBufferPointer(start: value, count: min(count, 1024)), as: UTF8.self)
  }
}
