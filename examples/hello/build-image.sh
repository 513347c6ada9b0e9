#!/bin/sh
# Makes the image stormo-hello:1 out of Debian's busybox-static, as a `docker save` archive: no registry, no Docker daemon.
# Usage: build-image.sh <archive.tar> [name:tag]
set -eu
out=${1:?usage: build-image.sh <archive.tar> [name:tag]}
name=${2:-stormo-hello:1}
busybox=$(command -v busybox) || { echo "build-image.sh: busybox is missing: apt-get install busybox-static" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

root=$work/root
mkdir -p "$root/bin" "$root/etc" "$root/tmp" "$root/www" "$root/var"
chmod 1777 "$root/tmp"
cp "$busybox" "$root/bin/busybox"
for applet in $("$busybox" --list); do
  [ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
done
echo 'root:x:0:0:root:/:/bin/sh' >"$root/etc/passwd"
echo 'root:x:0:' >"$root/etc/group"

image=$work/image
mkdir -p "$image/layer"
# Fixed owner, order and times: the same busybox gives the same image on every machine.
tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C "$root" -cf "$image/layer/layer.tar" .
digest=$(sha256sum "$image/layer/layer.tar" | cut -d' ' -f1)
case $(uname -m) in aarch64) arch=arm64 ;; *) arch=amd64 ;; esac
printf '{"architecture":"%s","os":"linux","created":"1970-01-01T00:00:00Z","config":{"Env":["PATH=/bin"],"Cmd":["sh"]},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]},"history":[{"created":"1970-01-01T00:00:00Z","created_by":"busybox-static"}]}' \
  "$arch" "$digest" >"$image/config.json"
config=$(sha256sum "$image/config.json" | cut -d' ' -f1)
mv "$image/config.json" "$image/$config.json"
printf '[{"Config":"%s.json","RepoTags":["%s"],"Layers":["layer/layer.tar"]}]' "$config" "$name" >"$image/manifest.json"
tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C "$image" -cf "$out" .
