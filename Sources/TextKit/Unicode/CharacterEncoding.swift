import CICU

/// Decodes encodings other than UTF-8, with ICU's converters.
public enum CharacterEncoding {
  /// Decodes all of `bytes`; invalid characters become U+FFFD and are counted.
  /// - Parameter name: an ICU or IANA name: `EUC-JP`, `ISO-2022-JP`, `UTF-16LE`, `windows-1252`.
  /// - Returns: nil if no encoding has that name.
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

  /// Names come from pages: only plausible names are passed to ICU.
  private static func isName(_ name: String) -> Bool {
    (1...40).contains(name.utf8.count)
      && name.utf8.allSatisfy { $0 &- 0x30 < 10 || ($0 | 0x20) &- 0x61 < 26 || "-_.:+".utf8.contains($0) }
  }
}
