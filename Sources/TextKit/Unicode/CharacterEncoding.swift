import CICU

/// Text in other encodings than UTF-8, through ICU's converters.
public enum CharacterEncoding {
  /// Decodes all of `bytes`; what is no character becomes U+FFFD and is counted.
  /// - Parameter name: as ICU or the IANA knows it: `EUC-JP`, `ISO-2022-JP`, `UTF-16LE`, `windows-1252`.
  /// - Returns: nil where no encoding has that name.
  public static func decode(
    _ bytes: UnsafeBufferPointer<UInt8>, as name: String
  ) -> (utf8: [UInt8], replaced: Int)? {
    guard isName(name) else { return nil }
    guard let base = bytes.baseAddress else { return ([], 0) }
    var utf8: [UInt8] = []
    utf8.reserveCapacity(bytes.count + bytes.count / 2)
    var replaced = 0
    let status = withUnsafeMutablePointer(to: &utf8) { out in
      base.withMemoryRebound(to: CChar.self, capacity: bytes.count) { base in
        pl_decode(
          name, base, bytes.count, out,
          { context, run, length in
            let out = context!.assumingMemoryBound(to: [UInt8].self)
            out.pointee.append(contentsOf: UnsafeRawBufferPointer(start: run, count: length))
          }, &replaced)
      }
    }
    return status == 0 ? (utf8, replaced) : nil
  }

  /// Names come from pages: only what can be one is given to ICU.
  private static func isName(_ name: String) -> Bool {
    (1...40).contains(name.utf8.count)
      && name.utf8.allSatisfy { $0 &- 0x30 < 10 || ($0 | 0x20) &- 0x61 < 26 || "-_.:+".utf8.contains($0) }
  }
}
