/// A text as scalars and their classes, in memory that is reused for the next text.
///
/// Four bytes plus one per character; both arrays end with a spare element so that `count + 1` can be read.
public final class DecodedText {
  public private(set) var scalars: UnsafeMutablePointer<UInt32>
  public private(set) var classes: UnsafeMutablePointer<UInt8>
  public private(set) var count = 0
  private var capacity: Int

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
    reserve(text.count + 1)
    let table = ScriptClass.table, scalars = scalars, classes = classes
    var n = 0, i = 0
    let end = text.count
    if let bytes = text.baseAddress {
      while i < end {
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
