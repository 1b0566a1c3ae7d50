import CKernels

/// Folds text to the form in which texts are compared (`FoldingTable` states the rule), into memory that is
/// used again for the next text. One pass in O(bytes), by table but for scalars that join their neighbours.
public struct ComparedText: ~Copyable {
  private var storage: UnsafeMutablePointer<UInt32>
  private var capacity: Int
  private var count = 0
  private let level: pl_simd_level

  public init(level: pl_simd_level = pl_simd_widest()) {
    self.level = level
    capacity = 1 << 12
    storage = .allocate(capacity: capacity)
  }

  deinit { storage.deallocate() }

  /// The folded scalars of the last text.
  public var scalars: UnsafeBufferPointer<UInt32> { UnsafeBufferPointer(start: storage, count: count) }

  /// Folds `utf8`. A text that is nothing but white space stays as it is, so that only its equals match it.
  public mutating func fold(_ utf8: UnsafeBufferPointer<UInt8>) {
    reserve(utf8.count + 1)
    count = 0
    FoldingTable.basic.withUnsafeBufferPointer { table in
      var position = 0
      while position < utf8.count { position = foldRun(utf8, from: position, table) }
    }
    if count > 0, storage[count - 1] == 0x20 { count -= 1 }
    if count == 0 { keepRaw(utf8) }
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
      // White space and what vanishes joins nothing.
      let entry = table[Int(scalar(utf8, previous)?.value ?? 0)]
      if entry != UInt16(PL_FOLD_DROP), entry != 0x20 {
        count -= 1
        segment = previous
      }
    }
    var end = start + consumed
    while end < utf8.count, let next = slowEnd(utf8, end, table) { end = next }
    append(Normalised.scalars(UnsafeBufferPointer(rebasing: utf8[segment..<end])), lowered: true)
    return end
  }

  /// Takes the short way for a scalar that becomes several, if nothing after it may join them.
  private mutating func appendExpanded(
    _ utf8: UnsafeBufferPointer<UInt8>, _ position: Int, _ table: UnsafeBufferPointer<UInt16>
  ) -> Int? {
    guard let scalar = scalar(utf8, position), let expanded = FoldingTable.expanded[scalar.value] else { return nil }
    let end = position + UTF8.width(scalar)
    if end < utf8.count, slowEnd(utf8, end, table) != nil {
      guard let next = self.scalar(utf8, end), FoldingTable.expanded[next.value] != nil else { return nil }
    }
    reserve(count + expanded.count)
    for folded in expanded {
      storage[count] = folded
      count += 1
    }
    return end
  }

  /// The end of the scalar at `position` if it needs the slow path, else nil.
  private func slowEnd(
    _ utf8: UnsafeBufferPointer<UInt8>, _ position: Int, _ table: UnsafeBufferPointer<UInt16>
  ) -> Int? {
    guard let scalar = scalar(utf8, position) else { return position + 1 }
    let isSlow = scalar.value >= 0x10000 || table[Int(scalar.value)] == UInt16(PL_FOLD_SLOW)
    return isSlow ? position + UTF8.width(scalar) : nil
  }

  private func scalar(_ utf8: UnsafeBufferPointer<UInt8>, _ position: Int) -> Unicode.Scalar? {
    var bytes = utf8[position..<min(position + 4, utf8.count)].makeIterator()
    var decoder = UTF8()
    guard case .scalarValue(let scalar) = decoder.decode(&bytes) else { return nil }
    return scalar
  }

  private mutating func append(_ scalars: String.UnicodeScalarView, lowered: Bool) {
    for scalar in scalars {
      for folded in lowered ? FoldingTable.lowered(scalar) : [scalar] {
        if lowered, folded == " ", count == 0 || storage[count - 1] == 0x20 { continue }
        reserve(count + 1)
        storage[count] = folded.value
        count += 1
      }
    }
  }

  private mutating func keepRaw(_ utf8: UnsafeBufferPointer<UInt8>) {
    append(String(decoding: utf8, as: UTF8.self).unicodeScalars, lowered: false)
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

extension UTF8 {
  fileprivate static func width(_ scalar: Unicode.Scalar) -> Int { Unicode.UTF8.encode(scalar)!.count }
}
