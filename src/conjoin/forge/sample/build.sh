# Called with PREFIX (what is compiled in), DESTDIR (what to put before it) and CC, as `make install` would be.
set -eu

root="$DESTDIR$PREFIX"
mkdir -p "$root/bin" "$root/lib/pkgconfig" "$root/include" "$root/share/forgedemo"

"$CC" -O1 -fPIC -shared -DPREFIX="\"$PREFIX\"" -Wl,-soname,libforgedemo.so.1 \
    -o "$root/lib/libforgedemo.so.1.2.3" forgedemo_library.c
ln -s libforgedemo.so.1.2.3 "$root/lib/libforgedemo.so.1"
ln -s libforgedemo.so.1 "$root/lib/libforgedemo.so"
"$CC" -O1 -I. -DPREFIX="\"$PREFIX\"" -o "$root/bin/forgedemo" forgedemo.c \
    -L"$root/lib" -lforgedemo '-Wl,-rpath,$ORIGIN/../lib'

cp forgedemo.h "$root/include/"
echo "Hello from forgedemo." > "$root/share/forgedemo/greeting.txt"
cat > "$root/bin/forgedemo-config" <<END
#!/bin/sh
echo "-I$PREFIX/include -L$PREFIX/lib -lforgedemo"
END
chmod +x "$root/bin/forgedemo-config"
cat > "$root/lib/pkgconfig/forgedemo.pc" <<END
prefix=$PREFIX
Name: forgedemo
Description: prints the prefix it was linked into
Version: 1.2.3
Cflags: -I\${prefix}/include
Libs: -L\${prefix}/lib -lforgedemo
END
