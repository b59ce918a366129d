# The steps' image with TotalSegmentator in an environment of its own: for the segment step, where params.yaml turns the
# engine on (segment.environment: /opt/totalsegmentator). Its weights are not in here: the site mounts a folder that
# holds them and names it in segment.weights; nothing is ever downloaded.
ARG BASE=osteogate:0.1.0
FROM ${BASE}

USER 0
COPY infra/images/requirements-totalsegmentator.txt /tmp/requirements-totalsegmentator.txt
RUN python3 -m venv /opt/totalsegmentator \
    && /opt/totalsegmentator/bin/pip install --no-cache-dir --requirement /tmp/requirements-totalsegmentator.txt \
    && rm /tmp/requirements-totalsegmentator.txt
USER 10001
