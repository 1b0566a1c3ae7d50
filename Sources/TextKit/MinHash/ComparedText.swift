public import CKernels

/// Folds text to the form in which texts are compared (`FoldingTable` states the rule), into memory that is reused for
/// the next text. One pass in O(bytes), by table except for scalars that combine with their neighbors.
public struct ComparedText: ~Copyable {
  private var storage: UnsafeMutablePointer<UInt32>
  private var capacity: Int
  private var count = 0
  private var normal: [UInt8] = []
  private let level: pl_simd_level
  private let folding: FoldingTable

  /// - Parameter oldForms: whether old kanji and kana are compared as modern ones (`OldForms`).
  public init(level: pl_simd_level = pl_simd_widest(), oldForms: Bool = false) {
    self.init(level: level, form: oldForms ? .modernized : .standard)
  }

  init(level: pl_simd_level = pl_simd_widest(), form: FoldingTable.Form) {
    self.level = level
    folding = .with(form)
    capacity = 1 << 12
    storage = .allocate(capacity: capacity)
  }

  deinit { storage.deallocate() }

  /// The folded scalars of the last text.
  public var scalars: UnsafeBufferPointer<UInt32> { UnsafeBufferPointer(start: storage, count: count) }

  /// Folds `utf8`. A text of only white space is left unchanged, so that only equal texts match it; of letters alone,
  /// none remain.
  public mutating func fold(_ utf8: UnsafeBufferPointer<UInt8>) {
    reserve(utf8.count + 1)
    count = 0
    folding.basic.withUnsafeBufferPointer { table in
      var position = 0
      while position < utf8.count { position = foldRun(utf8, from: position, table) }
    }
    if count > 0, storage[count - 1] == 0x20 { count -= 1 }
    if count == 0, folding.form != .letters { keepRaw(utf8) }
    if folding.form == .modernized {
      count = OldForms.modernize(UnsafeMutableBufferPointer(start: storage, count: count))
    }
  }

  /// Folds a run by table and the slow segment that follows it; returns where that ends.
  private mutating func foldRun(
    _ utf8: UnsafeBufferPointer<UInt8>, from start: Int, _ table: UnsafeBufferPointer<UInt16>
  ) -> Int {
    var consumed = 0
    reserve(count + utf8.count - start + 1)
    count = pl_fold(
      level, utf8.baseAddress! + start, utf8.count - start, table.baseAddress!, storage, count, &consumed)
    var segment = start + consumed
    if segment == utf8.count { return segment }
    if let end = appendExpanded(utf8, segment, table) { return end }
    if consumed > 0 {  // the scalar before may join the segment: take it back
      var previous = segment - 1
      while utf8[previous] & 0xC0 == 0x80 { previous -= 1 }
      // White space and ignored characters combine with nothing.
      let value = scalar(utf8, previous).value
      let entry = table[value < 0x10000 ? Int(value) : 0]
      if entry != UInt16(PL_FOLD_DROP), entry != 0x20 {
        count -= 1
        segment = previous
      }
    }
    var end = start + consumed
    while end < utf8.count, let next = slowEnd(utf8, end, table) { end = next }
    append(UnsafeBufferPointer(rebasing: utf8[segment..<end]))
    return end
  }

  /// Takes the fast path for a scalar that becomes several, if nothing after it can combine with them.
  private mutating func appendExpanded(
    _ utf8: UnsafeBufferPointer<UInt8>, _ position: Int, _ table: UnsafeBufferPointer<UInt16>
  ) -> Int? {
    let (scalar, width) = scalar(utf8, position)
    guard let expanded = folding.expanded[scalar] else { return nil }
    let end = position + width
    if end < utf8.count, slowEnd(utf8, end, table) != nil, folding.expanded[self.scalar(utf8, end).value] == nil {
      return nil
    }
    reserve(count + expanded.count)
    for folded in expanded {
      storage[count] = folded
      count += 1
    }
    return end
  }

  /// The end of the scalar at `position` if it needs the slow path; nil otherwise.
  private func slowEnd(
    _ utf8: UnsafeBufferPointer<UInt8>, _ position: Int, _ table: UnsafeBufferPointer<UInt16>
  ) -> Int? {
    let (scalar, width) = scalar(utf8, position)
    let isSlow = scalar >= 0x10000 || table[Int(scalar)] == UInt16(PL_FOLD_SLOW)
    return isSlow ? position + width : nil
  }

  private func scalar(_ utf8: UnsafeBufferPointer<UInt8>, _ position: Int) -> (value: UInt32, width: Int) {
    let (value, count) = UTF8Scanning.scalar(at: position, in: utf8.baseAddress!, end: utf8.count)
    return (value, count)
  }

  /// Folds a segment by the rule; malformed bytes become U+FFFD.
  private mutating func append(_ utf8: UnsafeBufferPointer<UInt8>) {
    normal.removeAll(keepingCapacity: true)
    NFKC.current.normalize(utf8, into: &normal)
    reserve(count + 2 * normal.count)
    let storage = storage, form = folding.form
    var count = count
    normal.withUnsafeBufferPointer { bytes in
      UTF8Scanning.forEachScalar(bytes) { scalar, _, _ in
        FoldingTable.fold(scalar, form) { folded in
          if folded == 0x20, count == 0 || storage[count - 1] == 0x20 { return }
          storage[count] = folded
          count += 1
        }
      }
    }
    self.count = count
  }

  private mutating func keepRaw(_ utf8: UnsafeBufferPointer<UInt8>) {
    let storage = storage
    var count = count
    UTF8Scanning.forEachScalar(utf8) { scalar, _, _ in
      storage[count] = scalar == UTF8Scanning.malformed ? 0xFFFD : scalar
      count += 1
    }
    self.count = count
  }

  private mutating func reserve(_ needed: Int) {
    guard needed > capacity else { return }
    let larger = UnsafeMutablePointer<UInt32>.allocate(capacity: max(needed, capacity * 2))
    larger.update(from: storage, count: count)
    storage.deallocate()
    storage = larger
    capacity = max(needed, capacity * 2)
  }
}
