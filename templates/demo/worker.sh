#!/bin/sh
# What a machine of the demo does: it looks for work, reports while it works, and says why it ends.
# Real user_data has the same shape, with a pilot job in place of the sleeping.

outputs='##user_data_joboutputs_url##'
work_seconds='##user_data_option_work_seconds##'
beat_seconds=3
folder=$(mktemp -d)

# Whom to trust, and how to prove who we are: in files, because command lines are for all to see.
cat >"$folder/ca.pem" <<'END'
##user_data_ca_certificates##
END
(umask 077 && cat >"$folder/header") <<'END'
Authorization: Bearer ##user_data_machine_token##
END

# put FILE NAME: send FILE to our joboutputs as NAME.
put() {
	if command -v curl >/dev/null; then
		curl --silent --show-error --fail --max-time 20 --cacert "$folder/ca.pem" \
			--header @"$folder/header" --upload-file "$1" "$outputs/$2"
	else
		python3 - "$folder" "$1" "$outputs/$2" <<'END'
import pathlib, ssl, sys, urllib.request
folder, path, url = sys.argv[1:]
name, value = pathlib.Path(folder, "header").read_text().split(":", 1)
request = urllib.request.Request(url, pathlib.Path(path).read_bytes(), method="PUT")
request.add_header(name, value.strip())
context = ssl.create_default_context(cafile=folder + "/ca.pem")
urllib.request.urlopen(request, timeout=20, context=context).close()
END
	fi
}

# finish CODE TEXT: tell the manager why we end; the number decides what it concludes.
finish() {
	printf '%s' "$*" >"$folder/message"
	put "$folder/message" shutdown_message
	rm -rf "$folder"
	exit 0
}

echo "##user_data_machine_hostname## of ##user_data_space##: asking for work"
if [ "$work_seconds" -eq 0 ]; then
	sleep 1
	finish 300 No more work available from task queue
fi

# Tasks differ in length, so that machines do not end all at once.
left=$((work_seconds + $(od -An -N1 -tu1 /dev/urandom) % 10))
while [ "$left" -gt 0 ]; do
	date >"$folder/beat"
	put "$folder/beat" heartbeat
	echo "working, $left s to go"
	sleep "$beat_seconds"
	left=$((left - beat_seconds))
done
echo "the answer is 42" >"$folder/result"
put "$folder/result" result.txt
finish 200 Intended work completed ok
