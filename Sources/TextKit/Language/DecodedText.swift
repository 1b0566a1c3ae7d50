import CKernels

/// A text as scalars and their classes, in memory that is reused for the next text.
///
/// Four bytes plus one per character; both arrays end with spare elements so that `count + 1` can be read. Only `load`
/// changes the members, and reads none of them meanwhile, so that Swift need not watch each access.
public final class DecodedText {
  @exclusivity(unchecked) public private(set) var scalars: UnsafeMutablePointer<UInt32>
  @exclusivity(unchecked) public private(set) var classes: UnsafeMutablePointer<UInt8>
  @exclusivity(unchecked) public private(set) var count = 0
  private var capacity: Int
  /// Elements that a kernel may write behind the last.
  private static let spare = 16

  public init() {
    capacity = 1 << 12
    scalars = .allocate(capacity: capacity)
    classes = .allocate(capacity: capacity)
  }

  deinit {
    scalars.deallocate()
    classes.deallocate()
  }

  /// Decodes `text`; malformed bytes become `UTF8Scanning.malformed`, which has no class.
  public func load(_ text: UnsafeBufferPointer<UInt8>) {
    reserve(text.count + Self.spare)
    let table = ScriptClass.table, basic = ScriptClass.basic, level = Kernels.level
    let scalars = scalars, classes = classes
    var n = 0, i = 0
    let end = text.count
    if let bytes = text.baseAddress {
      while i < end {
        var consumed = 0
        n &+= pl_decode_utf8(level, bytes + i, end - i, basic, scalars + n, classes + n, &consumed)
        i &+= consumed
        guard i < end else { break }
        let (scalar, width) = UTF8Scanning.scalar(at: i, in: bytes, end: end)
        scalars[n] = scalar
        classes[n] = table[scalar]
        n &+= 1
        i &+= width
      }
    }
    scalars[n] = 0
    classes[n] = 0
    count = n
  }

  private func reserve(_ needed: Int) {
    guard needed > capacity else { return }
    scalars.deallocate()
    classes.deallocate()
    capacity = max(needed, capacity * 2)
    scalars = .allocate(capacity: capacity)
    classes = .allocate(capacity: capacity)
  }
}
