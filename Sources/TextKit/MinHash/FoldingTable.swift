import CICU
import CKernels

/// How one scalar looks when texts are compared.
///
/// The rule: NFKC (ｶﾞ becomes ガ; dakuten stay), then scalar by scalar lower case; controls and ignorable scalars
/// (general categories Cc and Cf, Default_Ignorable) vanish; each run of white space is one space, and none stands at
/// either end. Punctuation stays: texts that differ in it a little are still alike, and texts that differ in it a lot
/// are not each other's duplicates.
enum FoldingTable {
  /// An entry for each scalar below U+10000: the one scalar that it becomes whatever stands beside it,
  /// `PL_FOLD_DROP`, or `PL_FOLD_SLOW` where it may join its neighbour or becomes several scalars. One more entry
  /// is padding, which the kernel asks for.
  static let basic: [UInt16] = (UInt32(0)..<0x10000).map(entry) + [slow]

  /// Scalars that become several whatever stands before them, such as ‥ and ㍻.
  static let expanded: [UInt32: [UInt32]] = {
    var expanded: [UInt32: [UInt32]] = [:]
    for value in UInt32(0)..<0x10000 where basic[Int(value)] == slow {
      guard let scalar = Unicode.Scalar(value), !mayJoinPrevious(scalar) else { continue }
      let normal = nfkc(scalar)
      if normal.contains(where: mayJoinPrevious) || normal.contains(where: \.properties.isWhitespace) { continue }
      expanded[value] = normal.flatMap(lowered).map(\.value)
    }
    return expanded
  }()

  private static let drop = UInt16(PL_FOLD_DROP)
  private static let slow = UInt16(PL_FOLD_SLOW)

  private static func entry(_ value: UInt32) -> UInt16 {
    switch value {
    case 0x3400..<0xA000, 0xAC00..<0xD7A4: return UInt16(value)  // ideographs, whole Hangul syllables
    case 0xFFFF: return slow
    default: break
    }
    guard let scalar = Unicode.Scalar(value), !mayJoinPrevious(scalar) else { return slow }
    let normal = nfkc(scalar)
    guard normal.count == 1, !mayJoinPrevious(normal[0]) else { return slow }
    let folded = lowered(normal[0])
    guard folded.count <= 1 else { return slow }
    guard let only = folded.first else { return drop }
    return only.value < 0xFFFF ? UInt16(only.value) : slow
  }

  /// What one scalar of NFKC text becomes: usually one scalar, none if it does not count.
  static func lowered(_ scalar: Unicode.Scalar) -> [Unicode.Scalar] {
    let properties = scalar.properties
    if properties.isWhitespace { return [" "] }
    if isIgnored(properties) { return [] }
    return properties.changesWhenLowercased ? Array(properties.lowercaseMapping.unicodeScalars) : [scalar]
  }

  private static func isIgnored(_ properties: Unicode.Scalar.Properties) -> Bool {
    if properties.isDefaultIgnorableCodePoint { return true }
    return properties.generalCategory == .control || properties.generalCategory == .format
  }

  /// True for every scalar that normalisation may reorder or compose with the one before it (and for a few
  /// others): marks, and Hangul vowels and final consonants.
  private static func mayJoinPrevious(_ scalar: Unicode.Scalar) -> Bool {
    if (0x1160..<0x1200).contains(scalar.value) { return true }
    return switch scalar.properties.generalCategory {
    case .nonspacingMark, .spacingMark, .enclosingMark: !isVariationSelector(scalar)
    default: false
    }
  }

  // They stop composition, and nothing composes with them.
  private static func isVariationSelector(_ scalar: Unicode.Scalar) -> Bool {
    (0xFE00...0xFE0F).contains(scalar.value)
  }

  private static func nfkc(_ scalar: Unicode.Scalar) -> [Unicode.Scalar] {
    let utf8 = Array(UTF8.encode(scalar)!)
    return utf8.withUnsafeBufferPointer { Array(Normalised.scalars($0)) }
  }
}

/// NFKC through ICU, for the segments that a table of single scalars cannot decide.
enum Normalised {
  /// The scalars of the NFKC form; malformed bytes become U+FFFD.
  static func scalars(_ utf8: UnsafeBufferPointer<UInt8>) -> String.UnicodeScalarView {
    var bytes: [UInt8] = []
    let status = utf8.withMemoryRebound(to: CChar.self) { text in
      withUnsafeMutablePointer(to: &bytes) { output in
        text.baseAddress.map { base in
          pl_nfkc(base, text.count, output) { context, run, length in
            let output = context!.assumingMemoryBound(to: [UInt8].self)
            output.pointee.append(contentsOf: UnsafeRawBufferPointer(start: run, count: length))
          }
        }
      }
    }
    let source = status == 0 ? String(decoding: bytes, as: UTF8.self) : String(decoding: utf8, as: UTF8.self)
    return source.unicodeScalars
  }
}
